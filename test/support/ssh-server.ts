import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import path from 'node:path';
import {
  type Connection,
  type PseudoTtyInfo,
  Server,
  type ServerChannel,
  type Session,
  utils,
  type WindowChangeInfo,
} from 'ssh2';
import type { SshTarget } from '../../driver/ssh/ssh-target';
import { serveSftp } from './sftp-server';

/** An SSH server of this process that runs real commands, serves real files and forwards to real ports. */
export interface TestSshServer {
  readonly target: SshTarget;
  /** Terminals that were asked for, and later sizes. */
  readonly terminals: (PseudoTtyInfo | WindowChangeInfo)[];
  /** Commands as they arrived. */
  readonly commands: string[];
  /** Cuts every connection, as a crash of the guest does. */
  cut(): void;
  /** From now on nothing is read or answered, as by a guest that stands still. */
  freeze(): void;
  close(): Promise<void>;
}

/** What a test may want different. */
export interface TestSshServerOptions {
  /** Where the key is put; the server takes only that one. */
  readonly folder: string;
  /** An earlier server's port and key. */
  readonly target?: SshTarget;
  readonly sftp?: boolean;
}

/** A command that has ended before anybody can look. */
export const AT_ONCE = 'at once';

/** A key as the driver makes them, 0600. */
export function makeKey(file: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  writeFileSync(file, pem, { mode: 0o600 });
  return pem;
}

let hostKey: string | undefined;

export async function startSshServer(options: TestSshServerOptions): Promise<TestSshServer> {
  const keyPath = options.target?.keyPath ?? path.join(options.folder, 'id_rsa');
  const allowed = utils.parseKey(options.target === undefined ? makeKey(keyPath) : readFileSync(keyPath));
  if (allowed instanceof Error) throw allowed;
  // Not by the library's own generator: one of some hundred Ed25519 keys it makes can't be read again.
  hostKey ??= generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'sec1', format: 'pem' })
    .toString();
  const terminals: (PseudoTtyInfo | WindowChangeInfo)[] = [];
  const commands: string[] = [];
  const connections = new Set<Connection>();
  const children = new Set<ChildProcess>();
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection)).on('error', () => undefined);
    connection.on('authentication', (context) => {
      const { method, username } = context;
      if (username !== 'docker' || method !== 'publickey') return context.reject(['publickey']);
      if (!context.key.data.equals(allowed.getPublicSSH())) return context.reject(['publickey']);
      // Without a signature it is asked whether the key would do.
      if (context.signature === undefined || context.blob === undefined) context.accept();
      else if (allowed.verify(context.blob, context.signature, context.hashAlgo) === true) context.accept();
      else context.reject();
    });
    connection.on('session', (accept) => serveSession(accept(), { ...options, terminals, commands, children }));
    connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
      const socket = connect({ host: destIP, port: destPort, allowHalfOpen: true });
      socket.once('error', () => reject());
      socket.once('connect', () => {
        const channel = accept();
        channel.pipe(socket).pipe(channel);
      });
    });
  });
  server.listen(options.target?.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sockets = (): { destroy(): void; pause(): void; removeAllListeners(event: string): void }[] =>
    [...connections].map(
      (connection) => (connection as unknown as { _sock: ReturnType<typeof sockets>[number] })._sock,
    );
  return {
    target: options.target ?? { host: '127.0.0.1', port, user: 'docker', keyPath },
    terminals,
    commands,
    cut: () => {
      for (const socket of sockets()) socket.destroy();
    },
    freeze: () => {
      for (const socket of sockets()) {
        socket.removeAllListeners('data');
        socket.pause();
      }
    },
    close: async () => {
      for (const child of children) {
        child.kill('SIGKILL');
        for (const stream of child.stdio) stream?.destroy();
      }
      for (const socket of sockets()) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface Service extends Pick<TestSshServer, 'terminals' | 'commands'> {
  readonly folder: string;
  readonly sftp?: boolean;
  readonly children: Set<ChildProcess>;
}

function serveSession(session: Session, service: Service): void {
  let terminal: PseudoTtyInfo | undefined;
  session.on('pty', (accept, _reject, info) => {
    terminal = info;
    service.terminals.push(info);
    accept();
  });
  session.on('window-change', (accept, _reject, info) => {
    service.terminals.push(info);
    accept?.();
  });
  session.on('shell', (accept) => serveCommand(accept(), 'sh', terminal, service));
  session.on('exec', (accept, _reject, { command }) => {
    service.commands.push(command);
    if (command === AT_ONCE) {
      // Its beginning, output and end arrive together.
      const channel = accept();
      channel.write('done\n');
      channel.exit(5);
      channel.end();
      channel.close();
      return;
    }
    serveCommand(accept(), command, terminal, service);
  });
  session.on('sftp', (accept, reject) => {
    if (service.sftp === false) reject();
    else serveSftp(accept(), service.folder);
  });
}

/** A command on a terminal gets a real one from script(1), with the size that was asked for. */
function serveCommand(
  channel: ServerChannel,
  command: string,
  terminal: PseudoTtyInfo | undefined,
  { folder, children }: Service,
): void {
  const words =
    terminal === undefined
      ? ['sh', '-c', command]
      : ['script', '-qec', `stty rows ${terminal.rows} cols ${terminal.cols}; ${command}`, '/dev/null'];
  const [program = '', ...rest] = words;
  const child = spawn(program, rest, { cwd: folder, stdio: 'pipe', env: { ...process.env, HOME: folder } });
  children.add(child);
  channel.on('signal', (_accept: unknown, _reject: unknown, { name }: { name: string }) =>
    child.kill(`SIG${name}` as NodeJS.Signals),
  );
  channel.on('close', () => child.kill('SIGHUP')).on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  channel.pipe(child.stdin);
  child.stdout.on('data', (chunk: Buffer) => {
    if (channel.write(chunk)) return;
    child.stdout.pause();
    channel.once('drain', () => child.stdout.resume());
  });
  child.stderr.on('data', (chunk: Buffer) => channel.stderr.write(chunk));
  child.once('close', (code, signal) => {
    children.delete(child);
    if (code === null) channel.exit((signal ?? 'SIGKILL').slice(3), false, '');
    else channel.exit(code);
    channel.end();
    channel.close();
  });
}
