import { randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { sockets } from '../../../../native/sockets';
import { formatMac } from '../../../net/addressing/mac';
import { connectEthernet } from '../../../net/ethernet/connect-ethernet';
import { Rejoin } from '../../../net/ethernet/rejoin';
import { VPNKIT_FRAMING } from '../../../net/link/stream-link';
import type { Reactor } from '../../../net/reactor/reactor';
import type { NicBackend } from './nic-backend';
import { createStreamNic } from './stream-nic';

export interface VpnkitNicOptions {
  /** The Ethernet socket of vpnkit or gvproxy. */
  readonly path: string;
  /** 36 characters or more, of which 36 count; undefined: a new one. */
  readonly uuid?: string | undefined;
  /** A file that gets the card's address as text. */
  readonly macFile?: string | undefined;
  /** An IPv4 address as a number. */
  readonly preferredIp?: number | undefined;
  /** How long to wait for somebody to listen there; 30 s unless given. */
  readonly connectMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly log: (line: string) => void;
}

/**
 * Connects a NIC to a running vpnkit or gvproxy, which gives it its address. While that is away the cable is out; it is
 * joined again with the same UUID.
 * @throws EngineError as connectEthernet does; NodeJS.ErrnoException for a `macFile` that can't be written.
 */
export async function openVpnkitNic(reactor: Reactor, options: VpnkitNicOptions): Promise<NicBackend> {
  const ending = new AbortController();
  const uuid = (options.uuid ?? randomUUID()).slice(0, 36);
  const first = await connectEthernet(reactor, { ...options, uuid });
  const { mac, mtu } = first;
  try {
    if (options.macFile !== undefined) writeMacFile(options.macFile, mac);
  } catch (error) {
    sockets.close(first.fd);
    throw error;
  }
  const nic = createStreamNic(reactor, {
    name: `vpnkit ${options.path}`,
    mac,
    mtu,
    framing: VPNKIT_FRAMING,
    lost: () => rejoin.lost(),
  });
  const rejoin = new Rejoin(reactor, { ...options, uuid, signal: ending.signal }, mac, ({ fd }) => nic.plug(fd));
  nic.plug(first.fd);
  return {
    ...nic,
    close: () => {
      ending.abort();
      return nic.close();
    },
  };
}

/** HyperKit's way: text without a line's end, and never half of it. */
function writeMacFile(file: string, mac: Uint8Array): void {
  writeFileSync(`${file}.tmp`, formatMac(mac));
  renameSync(`${file}.tmp`, file);
}
