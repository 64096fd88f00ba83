import { connect, type Socket } from 'node:net';
import * as v from 'valibot';
import { parseIpv4, prefixContains, prefixOf } from '../addressing/ipv4';
import { socketPathFault } from '../endpoint-text';
import type { FlowEnds, StreamService } from '../flow';
import { joinStreams } from '../join-streams';
import { parseJsonList } from './json-list';

const MAX_TUNNELS = 1024;
const MAX_ANSWER_BYTES = 4096;
const ANSWER_MS = 30_000;
const LENGTH_BYTES = 2;

/** Flows that go through a program of the host. */
export interface FlowTunnel {
  readonly prefix: { readonly address: number; readonly bits: number };
  /** 0: all. */
  readonly port: number;
  readonly path: string;
}

const schema = v.pipe(
  v.array(
    v.object({
      protocol: v.literal('tcp', 'must be "tcp"'),
      dst_prefix: v.pipe(
        v.string(),
        v.check((text) => parsePrefix(text) !== undefined, 'must be a network such as 10.0.0.0/8'),
      ),
      dst_port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 0),
      path: v.pipe(
        v.string(),
        v.check((text) => socketPathFault(text) === undefined, 'must be the absolute path of a unix socket'),
      ),
    }),
  ),
  v.maxLength(MAX_TUNNELS),
);

/**
 * Reads VPNKit's `--forwards`: `[{"protocol": "tcp", "dst_prefix": "10.0.0.0/8", "dst_port": 0, "path": "/…"}, …]`.
 * @throws EngineError HK_NET_CONFIG_INVALID
 */
export function parseFlowTunnels(text: string): readonly FlowTunnel[] {
  return parseJsonList(schema, text, 'the tunnels of flows').map(({ dst_prefix, dst_port, path }) => ({
    prefix: parsePrefix(dst_prefix)!,
    port: dst_port,
    path,
  }));
}

/** The service for a flow that goes through a tunnel; undefined for all others. The first that matches counts. */
export function findTunnel(tunnels: readonly FlowTunnel[], { destination }: FlowEnds): StreamService | undefined {
  const address = parseIpv4(destination.address);
  if (address === undefined) return undefined;
  const tunnel = tunnels.find(
    ({ prefix, port }) => prefixContains(prefix, address) && (port === 0 || port === destination.port),
  );
  return tunnel && ((stream, flow) => openTunnel(tunnel.path, stream, flow));
}

/**
 * Both messages are JSON after their length, u16 little endian: what the flow is, then whether the other side takes it.
 * From then on its bytes follow.
 */
function openTunnel(path: string, stream: Socket, { source, destination }: FlowEnds): void {
  const program = connect({ path, allowHalfOpen: true });
  const refuse = (): void => {
    program.destroy();
    stream.destroy();
  };
  const timer = setTimeout(refuse, ANSWER_MS);
  stream.on('error', refuse);
  stream.once('close', () => {
    if (!accepted) program.destroy();
  });
  program.on('error', refuse);
  program.once('close', () => {
    clearTimeout(timer);
    if (!accepted) stream.destroy();
  });
  program.once('end', () => {
    if (!accepted) refuse();
  });
  let accepted = false;
  let bytes: Buffer = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.length < LENGTH_BYTES ? MAX_ANSWER_BYTES : LENGTH_BYTES + bytes.readUInt16LE();
    if (end > MAX_ANSWER_BYTES) refuse();
    if (bytes.length < end) return;
    program.off('data', look).pause();
    if (!isAccepted(bytes.toString('utf8', LENGTH_BYTES, end))) {
      refuse();
      return;
    }
    accepted = true;
    clearTimeout(timer);
    if (bytes.length > end) program.unshift(bytes.subarray(end));
    joinStreams(stream, program);
  };
  program.on('data', look);
  program.once('connect', () => {
    program.write(
      withLength({
        protocol: 'tcp',
        src_ip: source.address,
        src_port: source.port,
        dst_ip: destination.address,
        dst_port: destination.port,
      }),
    );
  });
}

function withLength(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16LE(text.length);
  return Buffer.concat([length, text]);
}

function isAccepted(text: string): boolean {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null && 'accepted' in answer && answer.accepted === true;
  } catch {
    return false;
  }
}

function parsePrefix(text: string): FlowTunnel['prefix'] | undefined {
  const [dotted = '', bits = '32', ...rest] = text.split('/');
  const address = parseIpv4(dotted);
  if (address === undefined || rest.length > 0 || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) return undefined;
  return prefixOf(address, Number(bits));
}
