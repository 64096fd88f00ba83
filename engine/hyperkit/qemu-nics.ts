import { writeFile } from 'node:fs/promises';
import { EngineError } from '../errors';
import type { BoardNic } from '../hypervisors/qemu/board-arguments';
import { parseIpv4 } from '../net/addressing/ipv4';
import type { VpnkitBridge } from '../net/ethernet/bridge-to-vpnkit';
import type { NicSpec } from '../spec/board-spec';
import { replaceFile } from '../storage/atomic-file';
import { boardNics, GATEWAY_MTU, openBoardGateway } from './board-gateway';
import type { BoardStart } from './running-board';

type NicSurroundings = Pick<BoardStart, 'board' | 'signal' | 'say' | 'log'>;
type VpnkitNic = Extract<NicSpec, { kind: 'vpnkit' }>;

/** The cables of a board that QEMU runs. */
export interface QemuNics {
  readonly nics: readonly BoardNic[];
  /** QEMU's ends of them, lent to it when it starts. */
  readonly descriptors: readonly number[];
  /** Closes our copies of QEMU's ends: after it has started, or did not. */
  release(): void;
  /** After it has ended. */
  close(): Promise<void>;
}

/** @throws EngineError; nothing is left open. */
export async function openQemuNics(start: NicSurroundings): Promise<QemuNics> {
  const { board, log } = start;
  const releases: (() => void)[] = [];
  const closers: (() => void | Promise<void>)[] = [];
  const opened: QemuNics & { readonly nics: BoardNic[]; readonly descriptors: number[] } = {
    nics: [],
    descriptors: [],
    release: () => {
      for (const release of releases.splice(0)) release();
    },
    close: async () => {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
  const lend = (fd: number, mac: string, mtu: number, release: () => void): void => {
    opened.nics.push({ kind: 'descriptor', mac, mtu });
    opened.descriptors.push(fd);
    releases.push(release);
  };
  try {
    if (process.platform !== 'linux') return { ...opened, nics: boardNics(board).map(withoutOurNetwork) };
    const gateway = await openBoardGateway(board, log);
    if (gateway !== undefined) closers.push(() => gateway.close());
    for (const nic of boardNics(board)) {
      switch (nic.kind) {
        case 'gateway': {
          if (gateway === undefined || nic.mac === undefined) throw new Error('a card without its network');
          const plug = gateway.gateway.plugQemu(nic.mac, gateway.ipOf(nic.mac), GATEWAY_MTU);
          lend(plug.fd, nic.mac, plug.mtu, plug.release);
          break;
        }
        case 'tap':
          opened.nics.push({ kind: 'tap', name: nic.name, mac: nic.mac ?? '' });
          break;
        case 'vpnkit': {
          const bridge = await joinVpnkit(nic, start);
          closers.push(bridge.close);
          lend(bridge.fd, bridge.mac, bridge.mtu, bridge.release);
          break;
        }
        case 'attached':
          throw new EngineError('HK_DEVICE_FAILED', 'cannot attach a card: nobody has handed its cable over');
      }
    }
    return opened;
  } catch (error) {
    opened.release();
    await opened.close();
    throw error;
  }
}

interface Joined extends VpnkitBridge {
  /** QEMU's end. */
  readonly fd: number;
  release(): void;
}

async function joinVpnkit(nic: VpnkitNic, { signal, say, log }: NicSurroundings): Promise<Joined> {
  const { sockets } = await import('../../native/sockets');
  const { bridgeToVpnkit } = await import('../net/ethernet/bridge-to-vpnkit');
  const { QEMU_FRAMING } = await import('../net/link/stream-link');
  const { Reactor } = await import('../net/reactor/reactor');
  say(`virtio-net-vpnkit: initialising, opts="path=${nic.path},uuid=${nic.uuid}"`);
  const reactor = new Reactor();
  const preferredIp = nic.preferredIpv4 === undefined ? undefined : parseIpv4(nic.preferredIpv4);
  let joined: VpnkitBridge | undefined;
  const close = (): void => {
    joined?.close();
    reactor.close();
  };
  try {
    const bridge = await bridgeToVpnkit(reactor, { path: nic.path, uuid: nic.uuid ?? '', preferredIp, signal, log });
    joined = bridge;
    say(`virtio-net-vpnkit: Connection established with MAC=${bridge.mac} and MTU ${bridge.mtu}`);
    if (nic.macFile !== undefined) {
      await replaceFile(nic.macFile, 0o644, (file) => writeFile(file, bridge.mac));
    }
    const [ours, theirs] = sockets.pair();
    bridge.relay.plugNear(ours, QEMU_FRAMING);
    return { ...bridge, close, fd: theirs, release: () => sockets.close(theirs) };
  } catch (error) {
    close();
    throw error;
  }
}

/** Our networks are for Linux; QEMU's own does for a card of ours. */
function withoutOurNetwork(nic: NicSpec): BoardNic {
  if (nic.kind !== 'gateway') {
    const text = `cannot connect a ${nic.kind} card under QEMU on this platform; use virtio-net`;
    throw new EngineError('HK_DEVICE_FAILED', text);
  }
  const forwards = nic.forwards.map(
    ({ protocol, address, hostPort, guestPort }) => `${protocol}:${address}:${hostPort}-:${guestPort}`,
  );
  return { kind: 'user', mac: nic.mac ?? '', forwards };
}
