import { canonicalAddress, formatEndpoint, socketPathFault } from '../endpoint-text';
import type { Endpoint } from '../flow';
import type { ForwardSpec } from '../forwards/forwarder';
import type { ListedForward } from './forward-table';
import { BodyError, parseFields } from './json-body';

/** A port as VPNKit's Go clients describe it (vpnkit.Port); empty fields are left out of the JSON. */
export interface VpnkitPort {
  readonly proto: string;
  readonly out_ip?: string;
  readonly out_port?: number;
  readonly out_path?: string;
  readonly in_ip?: string;
  readonly in_port?: number;
  readonly in_path?: string;
  readonly annotation?: string;
}

const MAX_ANNOTATION_LENGTH = 256;

/** @throws BodyError An empty body is a port without a protocol, as it is in Go. */
export function parsePort(body: string): VpnkitPort {
  if (body.trim() === '') return { proto: '' };
  const fields = parseFields(body);
  return leaveOutEmpty({
    proto: fields.string('proto') ?? '',
    out_ip: parseIp('out_ip', fields.string('out_ip')),
    out_port: fields.port('out_port'),
    out_path: fields.string('out_path'),
    in_ip: parseIp('in_ip', fields.string('in_ip')),
    in_port: fields.port('in_port'),
    in_path: fields.string('in_path'),
    annotation: parseAnnotation(fields.string('annotation')),
  });
}

/** @throws BodyError when such a forward can't exist. */
export function toSpec(port: VpnkitPort): ForwardSpec {
  if (port.proto === 'unix') return { protocol: 'tcp', host: { path: hostPath(port) }, guest: guestEnd(port) };
  return {
    protocol: port.proto === 'udp' ? 'udp' : 'tcp',
    host: { address: port.out_ip ?? '0.0.0.0', port: port.out_port ?? 0 },
    guest: guestEnd(port),
  };
}

export function toPort({ spec, label }: ListedForward): VpnkitPort {
  const { host, guest, protocol } = spec;
  const unix = 'path' in host;
  return leaveOutEmpty({
    proto: unix ? 'unix' : protocol,
    out_ip: unix ? undefined : host.address,
    out_port: unix ? undefined : host.port,
    out_path: unix ? host.path : undefined,
    in_ip: guest.address,
    in_port: guest.port,
    annotation: label.annotation,
  });
}

/** `kubernetes tcp forward from 127.0.0.1:8080 to 192.168.65.3:80`, the words of VPNKit's logs. */
export function describePort({ spec, label }: ListedForward): string {
  const unix = 'path' in spec.host;
  const host = 'path' in spec.host ? spec.host.path : formatEndpoint(spec.host);
  const mark = label.annotation ? `${label.annotation} ` : '';
  return `${mark}${unix ? 'unix' : spec.protocol} forward from ${host} to ${formatEndpoint(spec.guest)}`;
}

function guestEnd(port: VpnkitPort): Endpoint {
  if (port.in_path !== undefined) {
    throw new BodyError(
      `cannot forward to ${port.in_path} inside of the guest: that takes an agent in the guest; give in_ip and in_port`,
    );
  }
  if (port.in_ip === undefined || port.in_port === undefined) {
    throw new BodyError('cannot forward to nowhere: in_ip and in_port must name a port of the guest');
  }
  return { address: port.in_ip, port: port.in_port };
}

function hostPath({ out_path: path = '' }: VpnkitPort): string {
  const fault = socketPathFault(path);
  if (fault !== undefined) throw new BodyError(`cannot listen on "${path}": ${fault}`);
  return path;
}

function parseAnnotation(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= MAX_ANNOTATION_LENGTH) return text;
  throw new BodyError(`annotation is longer than ${MAX_ANNOTATION_LENGTH} characters`);
}

function parseIp(name: string, text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const address = canonicalAddress(text);
  if (address === undefined) throw new BodyError(`${name}: invalid IP address: ${text}`);
  return address;
}

type Draft = { readonly [Field in keyof VpnkitPort]-?: VpnkitPort[Field] | undefined };

/** Go's omitempty. */
function leaveOutEmpty(draft: { readonly proto: string } & Partial<Draft>): VpnkitPort {
  const kept = Object.entries(draft).filter(([, value]) => value !== undefined && value !== '' && value !== 0);
  return { proto: draft.proto, ...Object.fromEntries(kept) };
}
