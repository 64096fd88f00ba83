import { canonicalAddress, formatEndpoint, parsePort, socketPathFault, splitHostPort } from '../endpoint-text';
import type { Endpoint } from '../flow';
import type { HostSide } from '../forwards/forwarder';
import type { ListedForward } from './forward-table';
import { BodyError, parseFields } from './json-body';

export type GvproxyProtocol = 'tcp' | 'udp' | 'unix';

/** A forward as gvproxy's API asks for it: `local` and `remote` are texts whose form depends on the protocol. */
export interface GvproxyForward {
  readonly local: string;
  readonly remote: string;
  readonly protocol: string;
}

const MAX_TEXT_LENGTH = 1024;

/** @throws BodyError The protocol is tcp when none is given. */
export function parseForward(body: string): GvproxyForward {
  const fields = parseFields(body);
  const read = (name: string): string => {
    const value = fields.string(name) ?? '';
    if (value.length > MAX_TEXT_LENGTH) throw new BodyError(`${name} is longer than ${MAX_TEXT_LENGTH} characters`);
    return value;
  };
  return { local: read('local'), remote: read('remote'), protocol: read('protocol') || 'tcp' };
}

/** @throws BodyError when it is none that can be forwarded here. */
export function parseProtocol(name: string): GvproxyProtocol {
  if (name === 'tcp' || name === 'udp' || name === 'unix') return name;
  throw new BodyError(name === 'npipe' ? 'protocol npipe is only for Windows' : `unknown protocol ${name}`);
}

/** `127.0.0.1:8080`, `:8080` for all addresses, or the path of a unix socket. @throws BodyError */
export function parseLocal(protocol: GvproxyProtocol, local: string): HostSide {
  if (protocol === 'unix') {
    const fault = socketPathFault(local);
    if (fault !== undefined) throw new BodyError(`cannot listen on "${local}": ${fault}`);
    return { path: local };
  }
  const { host, port } = splitOrThrow(local);
  const address = host === '' ? '0.0.0.0' : canonicalAddress(host === 'localhost' ? '127.0.0.1' : host);
  if (address === undefined)
    throw new BodyError(`listen ${protocol}: lookup ${host}: no such host; give an IP address`);
  return { address, port };
}

/**
 * `192.168.127.2:80`; `:80` is a port of the guest that asks; for a unix socket `tcp://192.168.127.2:80`.
 * @throws BodyError
 */
export function parseRemote(protocol: GvproxyProtocol, remote: string, peer: string | undefined): Endpoint {
  if (protocol === 'unix') return parseUnixRemote(remote);
  const { host, port } = splitOrThrow(remote);
  if (host === '' && peer === undefined) {
    throw new BodyError(`address ${remote}: missing the guest's IP: only a guest may leave it out`);
  }
  return guestEnd(host || (peer ?? ''), port);
}

/** As gvproxy lists it. */
export function formatForward({ spec, label }: ListedForward): GvproxyForward {
  const guest = formatEndpoint(spec.guest);
  if ('path' in spec.host) return { local: spec.host.path, remote: `tcp://${guest}`, protocol: 'unix' };
  return { local: label.local ?? formatEndpoint(spec.host), remote: guest, protocol: spec.protocol };
}

function parseUnixRemote(remote: string): Endpoint {
  const [, scheme = '', rest = ''] = /^([^:/]*):\/\/(.*)$/.exec(remote) ?? [];
  // gvproxy's own words for schemes that it does not know; its ssh-tunnel is one of those here.
  if (scheme !== 'tcp') throw new BodyError(`remote protocol for unix forwarder is not implemented: ${scheme}`);
  const { host, port } = splitOrThrow(rest);
  return guestEnd(host, port);
}

function splitOrThrow(text: string): { readonly host: string; readonly port: number } {
  const split = splitHostPort(text);
  if (split) return split;
  const port = text.slice(text.lastIndexOf(':') + 1);
  if (!text.includes(':')) throw new BodyError(`address ${text}: missing port in address`);
  throw new BodyError(
    parsePort(port) === undefined ? `address ${text}: invalid port` : `address ${text}: IPv6 needs brackets`,
  );
}

function guestEnd(host: string, port: number): Endpoint {
  const address = canonicalAddress(host);
  if (address === undefined || port === 0) throw new BodyError('invalid remote addr');
  return { address, port };
}
