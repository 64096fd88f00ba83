import { parseIpv4 } from '../net/addressing/ipv4';
import { formatMac, parseMac } from '../net/addressing/mac';
import { Reactor } from '../net/reactor/reactor';
import type { NicSpec } from '../spec/board-spec';
import { plugGatewayNic } from '../vmm/virtio/net/gateway-nic';
import type { NicBackend } from '../vmm/virtio/net/nic-backend';
import { openTapNic } from '../vmm/virtio/net/tap-nic';
import { openVpnkitNic } from '../vmm/virtio/net/vpnkit-nic';
import { type BoardGateway, boardNics, openBoardGateway } from './board-gateway';
import type { BoardStart } from './running-board';

/** What every network takes; HyperKit's. */
const TAP_MTU = 1500;

/** The cables of a board that runs in this process. */
export interface NativeNics {
  /** The board's from the moment it is given them. */
  readonly backends: readonly NicBackend[];
  readonly reactor: Reactor;
  /** After the board has ended. */
  close(): Promise<void>;
}

/** @throws EngineError; nothing is left open. */
export async function openNativeNics(start: Pick<BoardStart, 'board' | 'signal' | 'say' | 'log'>): Promise<NativeNics> {
  const network = await openBoardGateway(start.board, start.log);
  const own = network === undefined ? new Reactor() : undefined;
  const reactor = network?.gateway.network.reactor ?? own ?? new Reactor();
  const backends: NicBackend[] = [];
  const close = async (): Promise<void> => {
    await network?.close();
    own?.close();
  };
  try {
    for (const nic of boardNics(start.board)) backends.push(await openNic(nic, network, reactor, start));
  } catch (error) {
    for (const backend of backends) await backend.close();
    await close();
    throw error;
  }
  return { backends, reactor, close };
}

async function openNic(
  nic: NicSpec,
  network: BoardGateway | undefined,
  reactor: Reactor,
  { signal, say, log }: Pick<BoardStart, 'signal' | 'say' | 'log'>,
): Promise<NicBackend> {
  switch (nic.kind) {
    case 'gateway': {
      if (network === undefined) break;
      return plugGatewayNic(network.gateway, { mac: bytesOf(nic.mac), ip: network.ipOf(nic.mac ?? '') });
    }
    case 'tap':
      return openTapNic(reactor, { device: nic.name, mac: bytesOf(nic.mac), mtu: TAP_MTU });
    case 'vpnkit': {
      const preferredIp = nic.preferredIpv4 === undefined ? undefined : parseIpv4(nic.preferredIpv4);
      const { path, uuid, macFile } = nic;
      const backend = await openVpnkitNic(reactor, { path, uuid, macFile, preferredIp, signal, log });
      say(`virtio-net-vpnkit: Connection established with MAC=${formatMac(backend.mac)} and MTU ${backend.mtu}`);
      return backend;
    }
    case 'attached':
  }
  throw new Error(`a ${nic.kind} card without its network`);
}

/** The address was checked when the board was resolved. */
function bytesOf(mac: string | undefined): Uint8Array {
  return parseMac(mac ?? '') ?? new Uint8Array(6);
}
