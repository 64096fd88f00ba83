import type { Socket } from 'node:net';
import type { FlowEnds } from '../flow';
import { joinStreams } from '../join-streams';
import { MAX_HELLO_BYTES, readServerName } from './client-hello';
import { askForTunnel, isOpen } from './connect-method';
import { type Destination, formatDestination } from './dial';
import type { ProxyCore } from './guest';
import { chooseRoute } from './routing';
import type { UpstreamProxy } from './upstream-proxy';

/** A client of TLS speaks first, at once. Whoever is silent for so long is judged by its address alone. */
const HELLO_MS = 5000;

/**
 * Carries a TLS flow that a guest opened to some host: through the upstream proxy with CONNECT, or to its origin. The
 * name in the ClientHello decides, and without one the address. What the policy refuses or can't be reached is closed.
 * @param complain gets a line when the upstream proxy is to blame, as it can't be sent to the guest.
 */
export async function carryTlsFlow(
  core: ProxyCore,
  stream: Socket,
  flow: FlowEnds,
  gone: AbortSignal,
  complain: (line: string) => void,
): Promise<void> {
  const straightTo = { host: flow.destination.address, port: flow.destination.port };
  const name = await peekServerName(stream);
  const config = core.config();
  const to = { host: name ?? straightTo.host, port: straightTo.port };
  const route = chooseRoute(to, { config, upstream: config.https, straightTo, isOwn: core.isOwn });
  try {
    if (route.kind === 'refused') stream.destroy();
    else if (route.kind === 'origin') joinStreams(stream, await core.connect(route.to, gone));
    else joinStreams(stream, await openTunnel(core, route.upstream, to, gone));
  } catch (error) {
    stream.destroy();
    if (route.kind === 'proxy' && !gone.aborted) complain((error as Error).message);
  }
}

async function openTunnel(
  core: ProxyCore,
  upstream: UpstreamProxy,
  to: Destination,
  gone: AbortSignal,
): Promise<Socket> {
  const headers = ['Host', formatDestination(to)];
  if (upstream.authorization !== undefined) headers.push('Proxy-Authorization', upstream.authorization);
  const tunnel = await askForTunnel(core, upstream, to, headers, gone);
  if (isOpen(tunnel)) return tunnel.stream;
  tunnel.stream.destroy();
  throw new Error(`${formatDestination(upstream)} answers ${tunnel.answer.statusCode} to CONNECT`);
}

/** Reads until the server's name is known and puts everything back. `undefined`: there is none. */
function peekServerName(stream: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let seen = Buffer.alloc(0);
    const settle = (name?: string): void => {
      clearTimeout(timer);
      stream.off('data', look).off('end', give).off('close', give);
      stream.pause();
      // A stream that has ended takes nothing back; a beginning of a hello is of use to nobody.
      if (seen.length > 0 && !stream.readableEnded) stream.unshift(seen);
      resolve(name);
    };
    const give = (): void => settle();
    const look = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const found = readServerName(seen.subarray(0, MAX_HELLO_BYTES));
      if (found.kind !== 'more') settle(found.kind === 'name' ? found.name : undefined);
    };
    const timer = setTimeout(give, HELLO_MS);
    stream.on('data', look).once('end', give).once('close', give);
  });
}
