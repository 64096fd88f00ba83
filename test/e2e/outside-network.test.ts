import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import path from 'node:path';
import { missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { until } from '../support/until';

// A machine that joins somebody else's network, and keeps running when that one is killed and comes back.
const client = buildPeer('docker-machine');
const gvproxy = buildPeer('gvproxy');

interface Outside {
  readonly name: string;
  readonly missing: string | undefined;
  readonly command: (socket: string) => readonly [program: string, ...args: string[]];
  /** The guest's address, and the one that stands for the host. */
  readonly guest: RegExp;
  readonly host: string;
}

const OUTSIDES: readonly Outside[] = [
  {
    name: 'vpnkit',
    missing: undefined,
    command: (socket) => [process.execPath, path.join(PROJECT, 'dist/vpnkit.cjs'), '--ethernet', socket],
    guest: /inet 192\.168\.65\.\d+/,
    host: '192.168.65.2',
  },
  {
    name: 'gvproxy',
    missing: gvproxy.available ? undefined : gvproxy.reason,
    command: (socket) => [
      gvproxy.available ? gvproxy.path : '',
      '-listen-vpnkit',
      `unix://${socket}`,
      '-ssh-port',
      '-1',
    ],
    guest: /inet 192\.168\.127\.\d+/,
    host: '192.168.127.254',
  },
];

for (const outside of OUTSIDES) {
  describeWith(
    `a machine in the network of ${outside.name}`,
    [...missingForMachines(), client.available ? undefined : client.reason, outside.missing],
    () => {
      jest.setTimeout(600_000);
      const store = new Store(client.available ? client.path : '');
      let socket: string;
      let network: ChildProcess;
      let server: Server;

      const start = async (): Promise<void> => {
        rmSync(socket, { force: true });
        const [program, ...args] = outside.command(socket);
        network = spawn(program, args, { stdio: 'ignore' });
        await until('the network to listen', () => existsSync(socket));
      };
      const kill = async (): Promise<void> => {
        if (network.exitCode !== null || network.signalCode !== null) return;
        const ended = once(network, 'close');
        network.kill('SIGKILL');
        await ended;
      };
      const inGuest = (command: string): Promise<string> => store.succeed(['ssh', 'dev', command]);
      /** What the guest reads from a port of the host, by the network's way out. */
      const fromHost = async (): Promise<string> => {
        const { port } = server.address() as AddressInfo;
        return await inGuest(`timeout 20 bash -c 'cat </dev/tcp/${outside.host}/${port}' || true`);
      };

      beforeAll(async () => {
        socket = path.join(store.path, 'eth.sock');
        server = createServer((connection) => connection.end('hello from the host')).listen(0, '127.0.0.1');
        await once(server, 'listening');
        await start();
      });

      afterAll(async () => {
        await store.dispose();
        await kill();
        server.close();
      });

      test('gets its address there, and docker-machine gets in all the same', async () => {
        const said = await store.succeed(['create', '-d', 'hyperkit', '--hyperkit-vpnkit-sock', socket, 'dev']);
        expect(said).toContain('Docker is up and running!');
        expect(await inGuest('ip -4 addr show')).toMatch(outside.guest);
        expect(await store.succeed(['ip', 'dev'])).toMatch(/^127\./);
        expect(await fromHost()).toBe('hello from the host');
      });

      test('outlives that network: it is reachable meanwhile, and its way out is back with it', async () => {
        await kill();
        expect(await inGuest('echo still here')).toBe('still here');
        expect(await fromHost()).toBe('');
        await start();
        await until('the way out to be back', async () => (await fromHost()) === 'hello from the host', 90_000);
        expect(await store.succeed(['status', 'dev'])).toBe('Running');
      });

      if (outside.name !== 'vpnkit') return;

      test('without that network it does not start, and says why', async () => {
        await store.succeed(['stop', 'dev']);
        await kill();
        rmSync(socket, { force: true });
        const outcome = await store.machine(['start', 'dev']);
        expect(outcome.code).not.toBe(0);
        expect(outcome.output).toContain('there is no such file; start vpnkit or gvproxy first');
        await start();
        await store.succeed(['start', 'dev']);
        expect(await fromHost()).toBe('hello from the host');
      });
    },
  );
}
