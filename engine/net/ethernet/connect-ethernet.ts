import { setTimeout as pause } from 'node:timers/promises';
import { errnoName } from '../../../native/native-error';
import { AF_UNIX, SOCK_STREAM, sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import { isStationMac } from '../addressing/mac';
import type { Reactor } from '../reactor/reactor';
import {
  decodeInit,
  decodeResponse,
  type EthernetCommand,
  type EthernetResponse,
  encodeCommand,
  encodeInit,
  INIT_BYTES,
  PROTOCOL_VERSION,
  RESPONSE_BYTES,
} from './codec';
import { MessageReader, sendMessage } from './exact-bytes';

/** HyperKit's. */
const RETRY_MS = 100;
const CONNECT_MS = 30_000;
const HANDSHAKE_MS = 10_000;
/** RFC 791: what every link can carry. */
const MIN_MTU = 68;
const MAX_MTU = 0xffff - 14;

export interface EthernetRequest {
  /** The unix socket of vpnkit or gvproxy. */
  readonly path: string;
  /** Who we are; the same one gets the same addresses again. */
  readonly uuid: string;
  /** An IPv4 address as a number. */
  readonly preferredIp?: number | undefined;
  /** How long to wait for somebody to listen there; 30 s unless given, 0 for one try. */
  readonly connectMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly log: (line: string) => void;
}

/** A NIC's cable into somebody else's network. */
export interface EthernetConnection {
  /** Frames in VPNKIT_FRAMING; the caller's to close. */
  readonly fd: number;
  readonly mtu: number;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** Longest frame by what the server says; servers differ in how they count. */
  readonly maxPacketBytes: number;
}

/**
 * Plugs into a vpnkit or gvproxy.
 * @throws EngineError HK_NET_UNAVAILABLE when nobody listens or the network refuses; HK_NET_PROTOCOL when it is no
 * Ethernet socket.
 */
export async function connectEthernet(reactor: Reactor, request: EthernetRequest): Promise<EthernetConnection> {
  const fd = await connectPath(request);
  try {
    const { uuid, preferredIp } = request;
    const response = await shakeHands(reactor, fd, { uuid, preferredIp }, request);
    if (response.kind === 'disconnect') {
      throw new EngineError('HK_NET_UNAVAILABLE', `cannot join the network at ${request.path}: ${response.text}`);
    }
    const { mtu, mac, maxPacketBytes } = response;
    if (mtu < MIN_MTU || mtu > MAX_MTU || !isStationMac(mac)) {
      throw broken(request.path, "it offers an interface that there can't be");
    }
    return { fd, mtu, mac, maxPacketBytes };
  } catch (error) {
    sockets.close(fd);
    throw error;
  }
}

async function connectPath({ path, connectMs = CONNECT_MS, signal }: EthernetRequest): Promise<number> {
  const endMs = performance.now() + connectMs;
  for (;;) {
    signal?.throwIfAborted();
    const fd = sockets.socket(AF_UNIX, SOCK_STREAM);
    const result = sockets.connectPath(fd, path);
    if (result === 0) return fd;
    sockets.close(fd);
    if (performance.now() + RETRY_MS > endMs) {
      throw new EngineError(
        'HK_NET_UNAVAILABLE',
        `cannot join the network at ${path}: connect: ${errnoName(-result)}; start vpnkit or gvproxy on that socket`,
      );
    }
    await pause(RETRY_MS, undefined, signal === undefined ? {} : { signal });
  }
}

function shakeHands(
  reactor: Reactor,
  fd: number,
  command: EthernetCommand,
  { path, signal, log }: EthernetRequest,
): Promise<EthernetResponse> {
  const reader = new MessageReader();
  let awaits: 'init' | 'response' | 'nothing' = 'init';
  return new Promise((resolve, reject) => {
    const watch = reactor.watch(fd, () => read());
    const timer = reactor.timer(() => settle(broken(path, `it does not answer within ${HANDSHAKE_MS / 1000} s`)));
    const abort = (): void => settle(signal?.reason as Error);
    const settle = (outcome: EthernetResponse | Error): void => {
      if (awaits === 'nothing') return;
      awaits = 'nothing';
      timer.clear();
      watch.close();
      signal?.removeEventListener('abort', abort);
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const receive = (length: number): Buffer | undefined => {
      const message = reader.read(fd, length);
      if (message === 'ended') settle(broken(path, 'it ended the connection without a word'));
      return typeof message === 'string' ? undefined : message;
    };
    const read = (): void => {
      if (awaits === 'init') {
        const message = receive(INIT_BYTES);
        if (message === undefined) return;
        const { isVpnkit, version } = decodeInit(message);
        if (!isVpnkit) {
          settle(broken(path, "it does not begin with VPNKit's magic"));
          return;
        }
        // HyperKit goes on, too; the messages have been the same in all versions with this magic.
        if (version !== PROTOCOL_VERSION) log(`ethernet: ${path} has version ${version}, not ${PROTOCOL_VERSION}`);
        awaits = 'response';
        if (!sendMessage(fd, encodeCommand(command))) settle(broken(path, 'it takes no request'));
      }
      if (awaits !== 'response') return;
      const message = receive(RESPONSE_BYTES);
      if (message !== undefined) settle(decodeResponse(message) ?? broken(path, 'its answer is of an unknown type'));
    };
    signal?.addEventListener('abort', abort);
    timer.set(reactor.nowMs + HANDSHAKE_MS);
    if (!sendMessage(fd, encodeInit())) settle(broken(path, 'it takes no greeting'));
  });
}

function broken(path: string, reason: string): EngineError {
  return new EngineError(
    'HK_NET_PROTOCOL',
    `cannot join the network at ${path}: ${reason}; is this the Ethernet socket of vpnkit or gvproxy?`,
  );
}
