import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import { AF_INET, AF_INET6, EAGAIN, IPPROTO_ICMP, IPPROTO_ICMPV6, SOCK_DGRAM, sockets } from '../../../native/sockets';
import type { IpPacket } from '../gateway/ip-packet';
import type { Neighbour } from '../gateway/neighbours';
import type { Reactor, Watch } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { fromBytes, type IpAddress, isV4, toBytes } from '../wire/ip-address';

/** VPNKit's. */
const IDLE_MS = 60_000;
const MAX_BINDINGS = 256;
const MAX_MESSAGE_BYTES = 65_536;
const REPLIES_IN_A_ROW = 32;

export interface PingNatOptions {
  readonly reactor: Reactor;
  /** Sends an echo reply to a guest: bytes [start, end) are the ICMP message with the guest's identifier in it. */
  readonly deliver: (
    neighbour: Neighbour,
    source: IpAddress,
    guest: IpAddress,
    buffer: PinnedBuffer,
    start: number,
    end: number,
  ) => void;
  readonly asSeenByGuest: (address: IpAddress, guest: IpAddress) => IpAddress;
  readonly log: (line: string) => void;
}

interface Binding {
  readonly fd: number;
  readonly watch: Watch;
  readonly guest: IpAddress;
  readonly identifier: number;
  /** Where the guest was when it last sent: its link may have been replaced. */
  neighbour: Neighbour;
  usedMs: number;
}

/**
 * Takes guests' echo requests to the host's network over unprivileged ICMP sockets (ping_group_range, icmp(7)). Where the
 * host does not allow them, pings stay unanswered: an answer that nobody gave would be a lie.
 */
export class PingNat {
  readonly #bindings = new Map<string, Binding>();
  readonly #input = allocatePinned(MAX_MESSAGE_BYTES);
  readonly #timer: Timer;
  #forbidden = false;

  constructor(private readonly options: PingNatOptions) {
    this.#timer = options.reactor.timer(() => this.#sweep());
  }

  /** Sends a guest's echo request to `address`. */
  send({ source, neighbour, buffer, start, end }: IpPacket, address: IpAddress): void {
    const identifier = buffer.view.getUint16(start + 4);
    const binding = this.#bindingFor(source, identifier, neighbour);
    if (binding === undefined) return;
    binding.usedMs = this.options.reactor.nowMs;
    binding.neighbour = neighbour;
    // The kernel puts its own identifier and checksum in.
    sockets.sendTo(binding.fd, buffer.address + start, end - start, { address: toBytes(address), port: 0 });
  }

  close(): void {
    this.#timer.clear();
    for (const [key, binding] of this.#bindings) this.#remove(key, binding);
  }

  #bindingFor(guest: IpAddress, identifier: number, neighbour: Neighbour): Binding | undefined {
    const key = `${guest.w0},${guest.w1},${guest.w2},${guest.w3},${identifier}`;
    const known = this.#bindings.get(key);
    if (known !== undefined) return known;
    if (this.#forbidden || this.#bindings.size >= MAX_BINDINGS) return undefined;
    let fd: number;
    try {
      fd = isV4(guest)
        ? sockets.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
        : sockets.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
    } catch (error) {
      this.#forbidden = true;
      this.options.log(
        `guests can't ping beyond this host: ${(error as Error).message}; allow it with "sysctl net.ipv4.ping_group_range='0 2147483647'"`,
      );
      return undefined;
    }
    const binding: Binding = {
      fd,
      watch: this.options.reactor.watch(fd, () => this.#receive(binding)),
      guest,
      identifier,
      neighbour,
      usedMs: this.options.reactor.nowMs,
    };
    this.#bindings.set(key, binding);
    if (!this.#timer.pending) this.#timer.set(binding.usedMs + IDLE_MS);
    return binding;
  }

  #receive(binding: Binding): void {
    const { deliver, asSeenByGuest } = this.options;
    for (let count = 0; count < REPLIES_IN_A_ROW; count++) {
      const length = sockets.receiveFrom(binding.fd, this.#input.address, MAX_MESSAGE_BYTES);
      if (length === -EAGAIN) return;
      if (length < 8) continue;
      this.#input.view.setUint16(4, binding.identifier);
      const source = asSeenByGuest(fromBytes(sockets.lastPeer().address), binding.guest);
      deliver(binding.neighbour, source, binding.guest, this.#input, 0, length);
    }
    binding.watch.again();
  }

  #sweep(): void {
    const { nowMs } = this.options.reactor;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, binding] of this.#bindings) {
      // The same sum as the timer's: one that rounds otherwise would be due again and again.
      const dueMs = binding.usedMs + IDLE_MS;
      if (dueMs <= nowMs) this.#remove(key, binding);
      else nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer.set(nextMs);
  }

  #remove(key: string, binding: Binding): void {
    this.#bindings.delete(key);
    binding.watch.close();
    sockets.close(binding.fd);
  }
}
