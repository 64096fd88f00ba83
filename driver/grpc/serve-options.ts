import { homedir } from 'node:os';
import path from 'node:path';
import yargs from 'yargs';
import { MAX_SOCKET_PATH_BYTES, splitHostPort } from '../../engine/net/endpoint-text';
import { DriverError } from '../errors';

/** Files of mutual TLS, in PEM. */
export interface TlsFiles {
  /** Whose certificates clients must have. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: TlsFiles };

export interface ServeOptions {
  readonly listen: ListenAddress;
  /** Absolute. */
  readonly storePath: string;
  readonly graceMs: number;
}

const DEFAULT_GRACE_S = 10;
const MAX_GRACE_S = 3600;

const file = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

/** Options of `docker-machine-driver-hyperkit serve`. */
export const SERVE_OPTIONS = {
  listen: file('unix:///PATH, or tcp://HOST:PORT with the three --tls options (required)'),
  'tls-ca': file("certificates of the authority that signs clients' certificates"),
  'tls-cert': file("the server's certificate"),
  'tls-key': file('its key'),
  store: file('docker-machine store [MACHINE_STORAGE_PATH, or ~/.docker/machine]'),
  grace: {
    type: 'number',
    requiresArg: true,
    default: DEFAULT_GRACE_S,
    describe: 'seconds that calls may go on after SIGTERM; then they are undone',
  },
} as const;

/** What `serve` was told. A text is to be printed instead. @throws DriverError HK_SERVE_REFUSED */
export async function readServeOptions(words: readonly string[]): Promise<ServeOptions | string> {
  const parser = yargs([...words])
    .scriptName('docker-machine-driver-hyperkit serve')
    .usage('$0 --listen ADDRESS\n\nServes the driver over gRPC, see docs/grpc.md.')
    .options(SERVE_OPTIONS)
    .wrap(110)
    .strict()
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? refused(`${message}; see serve --help`);
    });
  let help = '';
  const given = await parser.parseAsync([...words], {}, (_error, _argv, output) => {
    help = output;
  });
  if (help !== '') return `${help}\n`;
  for (const [name, value] of Object.entries(given)) {
    if (Array.isArray(value) && name !== '_') throw refused(`--${name} is given more than once`);
  }
  const { grace } = given;
  if (!(grace >= 0 && grace <= MAX_GRACE_S)) throw refused(`--grace must be between 0 and ${MAX_GRACE_S} seconds`);
  return {
    listen: readListen(given.listen, { ca: given['tls-ca'], cert: given['tls-cert'], key: given['tls-key'] }),
    storePath: path.resolve(
      given.store ?? process.env['MACHINE_STORAGE_PATH'] ?? path.join(homedir(), '.docker', 'machine'),
    ),
    graceMs: grace * 1000,
  };
}

function readListen(
  text: string | undefined,
  { ca, cert, key }: { readonly [K in keyof TlsFiles]: string | undefined },
): ListenAddress {
  if (text === undefined) throw refused('--listen is missing: say unix:///PATH or tcp://HOST:PORT');
  const [, scheme, place = ''] = /^(unix|tcp):\/\/(.*)$/s.exec(text) ?? [];
  const anyTls = ca !== undefined || cert !== undefined || key !== undefined;
  if (scheme === 'unix') {
    if (anyTls) throw refused('the --tls options are for tcp://; a unix socket is guarded by its mode');
    if (!place.startsWith('/'))
      throw refused(`--listen ${text}: a socket's path must be absolute, as in unix:///run/x`);
    if (Buffer.byteLength(place) > MAX_SOCKET_PATH_BYTES) {
      throw refused(`--listen ${text}: a socket's path has at most ${MAX_SOCKET_PATH_BYTES} bytes`);
    }
    return { kind: 'unix', path: place };
  }
  if (scheme !== 'tcp') throw refused(`--listen ${text}: it must begin with unix:/// or tcp://`);
  const endpoint = splitHostPort(place);
  if (endpoint === undefined || endpoint.host === '') throw refused(`--listen ${text}: say tcp://HOST:PORT`);
  if (ca === undefined || cert === undefined || key === undefined) {
    const why = 'whoever reaches the port could run machines as this user';
    throw refused(`tcp:// needs --tls-ca, --tls-cert and --tls-key: without certificates on both sides ${why}`);
  }
  const host = endpoint.host.replace(/^\[(.*)\]$/, '$1');
  return { kind: 'tcp', host, port: endpoint.port, tls: { ca, cert, key } };
}

function refused(why: string): DriverError {
  return new DriverError('HK_SERVE_REFUSED', `cannot serve: ${why}`);
}
