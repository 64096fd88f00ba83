import type { DeviceSpec } from '../board-spec';
import { atoi, parseCInteger } from './c-number';
import { parseSettings } from './comma-list';
import { HyperkitUsageError } from './usage-error';

/** Longest mount tag. */
const MAX_TAG_BYTES = 256;
const DEFAULT_TAG = 'plan9';
const MAX_FORWARDS = 4;
const HOST_CID = 2;
const MAX_CID = 0x7fff_ffff;
const MAX_PORT = 0xffff_ffff;
/** sun_path holds 108 bytes on Linux and 104 on macOS; a socket's name in the folder takes `/00000002.xxxxxxxx` and a NUL. */
const MAX_FOLDER_BYTES = 104 - 19;

/** `path=SOCKET` or `port=N`, and `tag=…`. @throws HyperkitUsageError */
export function parseNinePOptions(config: string | undefined): DeviceSpec {
  const settings = parseSettings(config, ['path', 'port', 'tag']);
  const tag = settings.tag ?? DEFAULT_TAG;
  const port = settings.port === undefined ? undefined : atoi(settings.port);
  if (port !== undefined && (port < 1 || port > 65_535)) {
    throw new HyperkitUsageError(`bad port: port=${settings.port}`);
  }
  const path = settings.path === '' ? undefined : settings.path;
  if ((port === undefined) === (path === undefined)) {
    throw new HyperkitUsageError('Please pass *either* a port *or* a path. You must pass one, you must not pass both.');
  }
  const tagBytes = Buffer.byteLength(tag);
  if (tagBytes === 0 || tagBytes > MAX_TAG_BYTES) {
    throw new HyperkitUsageError(`virtio-9p: the tag must have 1 to ${MAX_TAG_BYTES} bytes`);
  }
  return { kind: 'virtio-9p', tag, server: path === undefined ? { port: port ?? 0 } : { path } };
}

/** `guest_cid=N,path=FOLDER[,guest_forwards=P;P…]`. @throws HyperkitUsageError */
export function parseSocketOptions(config: string | undefined): DeviceSpec {
  if (config === undefined) throw new HyperkitUsageError('virtio-sock: configuration required');
  const {
    guest_cid: cidText,
    path,
    guest_forwards: forwards,
  } = parseSettings(config, ['guest_cid', 'path', 'guest_forwards']);
  if (cidText !== undefined && atoi(cidText) <= 0) throw new HyperkitUsageError(`bad guest cid: guest_cid=${cidText}`);
  if (cidText === undefined || path === undefined || path === '') {
    throw new HyperkitUsageError('guest_cid and path options are both required.');
  }
  const guestCid = atoi(cidText);
  if (guestCid <= HOST_CID || guestCid >= MAX_CID) {
    throw new HyperkitUsageError(`invalid guest_cid ${guestCid.toString(16).padStart(8, '0')}`);
  }
  if (Buffer.byteLength(path) > MAX_FOLDER_BYTES) throw new HyperkitUsageError('virtio-sock: path too long');
  return { kind: 'virtio-sock', guestCid, path, guestForwards: parseForwards(forwards) };
}

function parseForwards(text: string | undefined): readonly number[] {
  const ports = (text ?? '').split(';').filter((part) => part !== '');
  if (ports.length > MAX_FORWARDS) throw new HyperkitUsageError('Too many forwards');
  return ports.map((part) => {
    const port = parseCInteger(part);
    if (port === undefined) throw new HyperkitUsageError(`failed to parse forward "${part}": Invalid argument`);
    if (port >= MAX_PORT) throw new HyperkitUsageError(`invalid guest port forward ${port}`);
    return port;
  });
}
