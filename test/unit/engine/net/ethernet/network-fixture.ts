import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import path from 'node:path';
import type { NetworkSettings } from '../../../../../engine/net/addressing/network-plan';
import { encodeCommand, encodeInit, INIT_BYTES, RESPONSE_BYTES } from '../../../../../engine/net/ethernet/codec';
import type { Framing } from '../../../../../engine/net/link/stream-link';
import { type GatewaySettings, type OpenGateway, openGateway } from '../../../../../engine/net/open-gateway';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { arpAnswer, arpRequest } from './arp-frames';

export const UUID = 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5';
export const OTHER_UUID = '3c9cf29f-0f2b-4c4c-a6f1-70e4b8ab3f1d';
export const NO_UUID = '\0'.repeat(36);
export const GATEWAY_MAC = 'f61636bcf9c6';
/** IEEE 802: for local experiments. */
const EXPERIMENT = '88b5';

/** A folder for sockets and a network that is open until `close`. */
export class NetworkFixture {
  readonly folder = temporaryFolder();
  readonly lines: string[] = [];
  readonly log = (line: string): void => void this.lines.push(line);
  readonly #gateways: OpenGateway[] = [];

  path(name: string): string {
    return path.join(this.folder, name);
  }

  open(settings: NetworkSettings = {}, more: Partial<GatewaySettings> = {}): OpenGateway {
    const gateway = openGateway({
      network: { ipv6: false, ...settings },
      hostAccess: 'none',
      hostsFile: this.path('hosts'),
      log: this.log,
      ...more,
    });
    this.#gateways.push(gateway);
    return gateway;
  }

  async close(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.close();
  }
}

/** Node opens a descriptor for the first watch of a file and keeps it: done before anybody counts. */
export async function openOnce(): Promise<void> {
  const fixture = new NetworkFixture();
  fixture.open();
  await fixture.close();
}

/** Reads exact numbers of bytes and frames from a stream, and writes frames to it. */
export class Wire {
  readonly #socket: Socket;
  readonly #framing: Framing;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(socket: Socket, framing: Framing = { prefixBytes: 2, littleEndian: true }) {
    this.#socket = socket;
    this.#framing = framing;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on('close', () => this.#wake());
  }

  get isOver(): boolean {
    return this.#socket.closed;
  }

  /** Whether the other end has not taken all yet. */
  get isWaiting(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Reads no more for the time being. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Fails when the stream ends before. */
  async read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.#socket.closed) throw new Error(`the stream ended after ${this.#bytes.length} of ${length} bytes`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const read = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return read;
  }

  /** All that is left, when the other end has closed. */
  async readToEnd(): Promise<Buffer> {
    if (!this.#socket.closed) await once(this.#socket, 'close');
    return this.#bytes;
  }

  send(frame: Buffer): void {
    this.write(frameBytes(frame, this.#framing));
  }

  async receive(): Promise<Buffer> {
    const { prefixBytes, littleEndian } = this.#framing;
    const prefix = await this.read(prefixBytes);
    const length = littleEndian ? prefix.readUIntLE(0, prefixBytes) : prefix.readUIntBE(0, prefixBytes);
    return await this.read(length);
  }

  /** The first frame that is as wanted; others are dropped. */
  async receiveUntil(isWanted: (frame: Buffer) => boolean): Promise<Buffer> {
    for (;;) {
      const frame = await this.receive();
      if (isWanted(frame)) return frame;
    }
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    if (!this.#socket.closed) await once(this.#socket, 'close');
  }
}

export function frameBytes(frame: Buffer, { prefixBytes, littleEndian }: Framing): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  if (littleEndian) prefix.writeUIntLE(frame.length, 0, prefixBytes);
  else prefix.writeUIntBE(frame.length, 0, prefixBytes);
  return Buffer.concat([prefix, frame]);
}

export async function dial(socketPath: string, framing?: Framing): Promise<Wire> {
  const socket = connect(socketPath);
  const wire = new Wire(socket, framing);
  await once(socket, 'connect');
  return wire;
}

/** A descriptor of ours as a stream. */
export function wireOf(fd: number, framing?: Framing): Wire {
  return new Wire(new Socket({ fd, readable: true, writable: true }), framing);
}

/** Dials, greets and asks; answers the response's bytes, which are for the test to look at. */
export async function join(
  socketPath: string,
  uuid: string,
  preferredIp?: number,
): Promise<{ readonly wire: Wire; readonly response: Buffer }> {
  const wire = await dial(socketPath);
  wire.write(encodeInit());
  await wire.read(INIT_BYTES);
  wire.write(encodeCommand({ uuid, preferredIp }));
  return { wire, response: await wire.read(RESPONSE_BYTES) };
}

/** A frame with a text that is between the two of them only. */
export function note(to: string, from: string, text: string): Buffer {
  return Buffer.concat([Buffer.from(`${to}${from}${EXPERIMENT}`, 'hex'), Buffer.from(text)]);
}

/** Asks over the wire until there is an answer. */
export async function resolve(wire: Wire, mac: string, ownIp: string, ip: string): Promise<string | undefined> {
  wire.send(arpRequest(mac, ownIp, ip));
  return arpAnswer(await wire.receiveUntil((frame) => arpAnswer(frame, ip) !== undefined), ip);
}
