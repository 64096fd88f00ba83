import { EngineError } from '../../errors';
import { sameEndpoint } from '../endpoint-text';
import { type ForwardSpec, sameHostSide } from '../forwards/forwarder';
import { type Answer, type Handler, json, nothing, type Routes } from './answer';
import type { ForwardTable, ListedForward } from './forward-table';
import { BodyError } from './json-body';
import { describePort, parsePort, toPort, toSpec, type VpnkitPort } from './vpnkit-port';

const PORT_PROTOCOLS = ['tcp', 'udp'];
const PORT_REFUSAL = 'exposed ports can only be TCP or UDP';
const PIPE_PROTOCOLS = ['unix'];
const PIPE_REFUSAL = 'exposed pipes can only have proto=Unix';

/** Everything below this is VPNKit's. */
export const VPNKIT_PREFIX = '/forwards/';

/** The HTTP interface of VPNKit's Go controller (go/pkg/vpnkit/http), answers included. */
export function vpnkitRoutes(table: ForwardTable): Routes {
  const expose = async (port: VpnkitPort): Promise<Answer> => {
    const { annotation } = port;
    const spec = toSpec(port);
    await table.open(spec, annotation ? { annotation } : {}, isForward(spec, annotation));
    return nothing();
  };
  const unexpose = async (port: VpnkitPort): Promise<Answer> => {
    const spec = toPossibleSpec(port);
    if (spec) await table.close(spec.host, isForward(spec, port.annotation));
    return nothing();
  };
  const list = (): Answer => {
    const ports = table.list().map(toPort);
    return json(200, ports.length > 0 ? ports : null); // A nil slice of Go.
  };
  const dump = (): Answer => {
    const lines = table.list().map((listed) => `${describePort(listed)}\n`);
    return { status: 200, type: 'text/plain', text: lines.join('') };
  };
  const putters = ['PUT', 'POST'];
  const deleters = ['DELETE', 'POST'];
  return new Map([
    ['/forwards/expose/port', only(putters, withPort(PORT_PROTOCOLS, PORT_REFUSAL, expose))],
    ['/forwards/expose/pipe', only(putters, withPort(PIPE_PROTOCOLS, PIPE_REFUSAL, expose))],
    ['/forwards/unexpose/port', only(deleters, withPort(PORT_PROTOCOLS, PORT_REFUSAL, unexpose))],
    ['/forwards/unexpose/pipe', only(deleters, withPort(PIPE_PROTOCOLS, PIPE_REFUSAL, unexpose))],
    ['/forwards/list', only(['GET'], list)],
    ['/forwards/dump', only(['GET'], dump)],
  ]);
}

/** echo's answer to what it has no route for. */
export function vpnkitNotFound(): Answer {
  return json(404, { message: 'Not Found' });
}

/** A port asked for as 0 is never one that is open: each such request gets a port of its own. */
function isForward(spec: ForwardSpec, annotation = ''): (listed: ListedForward) => boolean {
  return ({ spec: open, label }) =>
    open.protocol === spec.protocol &&
    sameHostSide(open.host, spec.host) &&
    sameEndpoint(open.guest, spec.guest) &&
    (label.annotation ?? '') === annotation;
}

/** What can't be forwarded isn't, so there is nothing to close: not an error, as closing twice is none. */
function toPossibleSpec(port: VpnkitPort): ForwardSpec | undefined {
  try {
    return toSpec(port);
  } catch {
    return undefined;
  }
}

function only(methods: readonly string[], handler: Handler): Handler {
  return (request) =>
    methods.includes(request.method) ? handler(request) : json(405, { message: 'Method Not Allowed' });
}

function withPort(protocols: readonly string[], refusal: string, work: (port: VpnkitPort) => Promise<Answer>): Handler {
  return async ({ body }) => {
    try {
      const port = parsePort(body);
      return protocols.includes(port.proto) ? await work(port) : json(400, refusal);
    } catch (error) {
      if (error instanceof BodyError || error instanceof EngineError) return json(400, { message: error.message });
      throw error;
    }
  };
}
