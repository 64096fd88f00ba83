import path from 'node:path';
import { EngineError } from '../../errors';
import { socketPathFault } from '../endpoint-text';

/** Where a program listens: a unix socket, or a listening socket that it was started with. */
export type SocketUrl = { readonly kind: 'path'; readonly path: string } | { readonly kind: 'fd'; readonly fd: number };

const MAX_FD = 1_048_575;

/**
 * Reads VPNKit's socket URLs (a path, `fd:N`) and gvproxy's (`unix:///path`, for datagrams also `unixgram:///path`).
 * @throws EngineError HK_NET_CONFIG_INVALID
 */
export function parseSocketUrl(text: string, schemes: readonly string[] = ['unix']): SocketUrl {
  const descriptor = /^fd:(\d{1,7})$/.exec(text)?.[1];
  if (descriptor !== undefined && Number(descriptor) <= MAX_FD) return { kind: 'fd', fd: Number(descriptor) };
  const scheme = /^([a-z][a-z0-9+-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme?.startsWith('hyperv') === true) throw refused(text, 'Hyper-V sockets exist on Windows only');
  if (scheme !== undefined && !schemes.includes(scheme)) {
    throw refused(text, `${scheme}: is none of a path, unix:///path and fd:NUMBER`);
  }
  const file = scheme === undefined ? text : text.slice(scheme.length + 1).replace(/^\/\//, '');
  const absolute = path.resolve(file);
  const fault = file === '' ? 'it is empty' : socketPathFault(absolute);
  if (fault !== undefined) throw refused(text, fault);
  return { kind: 'path', path: absolute };
}

/** As people write it. */
export function formatSocketUrl(url: SocketUrl): string {
  return url.kind === 'path' ? url.path : `fd:${url.fd}`;
}

function refused(text: string, reason: string): EngineError {
  return new EngineError('HK_NET_CONFIG_INVALID', `cannot listen on "${text}": ${reason}`);
}
