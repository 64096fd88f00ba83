import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { BUSYBOX, listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith, dockerClient } from '../support/peers';
import { run } from '../support/run';
import { until } from '../support/until';

// The main job: the real docker-machine binary, unmodified, through every verb. The tests share two machines and go
// through their life in order, because under emulation a boot costs many seconds.
const docker = dockerClient();
const peer = buildPeer('docker-machine');
const client = docker.available ? docker.path : '';

describeWith(
  'a Docker host from docker-machine',
  [
    ...missingForMachines(),
    peer.available ? undefined : peer.reason,
    docker.available ? undefined : docker.reason,
    existsSync(BUSYBOX) ? undefined : `no test image at ${BUSYBOX} (image/busybox-image makes it)`,
  ],
  () => {
    jest.setTimeout(600_000);
    const store = new Store(peer.available ? peer.path : '');
    let environment: NodeJS.ProcessEnv = {};
    let address = '';

    const inDocker = async (args: readonly string[], deadlineMs = 120_000): Promise<string> => {
      const outcome = await run(client, args, { env: { ...store.env, ...environment }, deadlineMs });
      if (outcome.code !== 0) throw new Error(`docker ${args.join(' ')}: exit ${outcome.code}\n${outcome.output}`);
      return outcome.stdout.trim();
    };
    const readEnvironment = async (name: string): Promise<NodeJS.ProcessEnv> => {
      const exports = await store.succeed(['env', '--shell', 'bash', name]);
      return Object.fromEntries([...exports.matchAll(/export (\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]));
    };

    afterAll(() => store.dispose());

    test('create --help shows our options', async () => {
      const help = await store.succeed(['create', '-d', 'hyperkit', '--help']);
      for (const flag of ['boot2docker-url', 'cpu-count', 'memory-size', 'disk-size', 'uuid', 'engine', 'accel']) {
        expect(help).toContain(`--hyperkit-${flag}`);
      }
      expect(help).toContain('$HYPERKIT_MEMORY_SIZE');
    });

    test('create makes a Docker host and says what it does', async () => {
      const said = await store.succeed([
        ...['create', '-d', 'hyperkit', '--hyperkit-cpu-count', '2', '--hyperkit-warm', 'never', 'dev'],
      ]);
      expect(said).toContain('Docker is up and running!');
      expect(said).toContain('(dev) Booting the virtual machine...');
    });

    test('create of the same name is refused with nothing of ours in the first line', async () => {
      const outcome = await store.machine(['create', '-d', 'hyperkit', 'dev']);
      expect(outcome.code).toBe(1);
      expect(outcome.output.split('\n')[0]).toContain('Docker machine "dev" already exists');
    });

    test('ls, status, ip, url, config and inspect agree on the address', async () => {
      address = await store.succeed(['ip', 'dev']);
      expect(address).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+$/);
      expect(await store.succeed(['status', 'dev'])).toBe('Running');
      expect(await store.succeed(['url', 'dev'])).toBe(`tcp://${address}:2376`);
      expect(await store.succeed(['config', 'dev'])).toContain(`-H=tcp://${address}:2376`);
      expect(await store.succeed(['inspect', '-f', '{{.Driver.IPAddress}} {{.Driver.CPU}}', 'dev'])).toBe(
        `${address} 2`,
      );
      const row = (
        await store.succeed(['ls', '-f', '{{.Name}}|{{.DriverName}}|{{.State}}|{{.URL}}|{{.DockerVersion}}|{{.Error}}'])
      ).split('|');
      expect(row.slice(0, 4)).toEqual(['dev', 'hyperkit', 'Running', `tcp://${address}:2376`]);
      expect(row[4]).toMatch(/^v\d+\.\d+/);
      expect(row[5]).toBe('');
      expect(await store.succeed(['version', 'dev'])).toMatch(/^\d+\.\d+/);
    });

    test('secrets are for the user only', () => {
      expect(statSync(path.join(store.folder('dev'), 'id_rsa')).mode & 0o077).toBe(0);
      expect(statSync(path.join(store.folder('dev'), 'config.json')).mode & 0o077).toBe(0);
    });

    test('docker version and run work over TLS with the environment that env prints', async () => {
      environment = await readEnvironment('dev');
      expect(environment['DOCKER_HOST']).toBe(`tcp://${address}:2376`);
      expect(environment['DOCKER_TLS_VERIFY']).toBe('1');
      expect(await inDocker(['version', '--format', '{{.Server.Os}}'])).toBe('linux');
      await inDocker(['load', '-i', BUSYBOX]);
      expect(await inDocker(['run', '--rm', 'busybox', 'echo', 'hello from the machine'])).toBe(
        'hello from the machine',
      );
      const piped = await run(client, ['run', '--rm', '-i', 'busybox', 'cat'], {
        env: { ...store.env, ...environment },
        stdin: 'through standard input',
      });
      expect(piped.stdout).toBe('through standard input');
      expect(await inDocker(['info', '--format', '{{.Labels}} {{.Driver}}'])).toBe('[provider=hyperkit] overlay2');
    });

    test('nobody without the certificate gets in', async () => {
      const outcome = await run(client, ['--tls', '-H', `tcp://${address}:2376`, 'version'], {
        env: { ...store.env, DOCKER_CERT_PATH: path.join(store.path, 'none') },
      });
      expect(outcome.code).not.toBe(0);
      expect(outcome.stdout).not.toContain('Server:');
    });

    test.each([['external'], ['native']])('ssh with the %s client', async (client) => {
      const flags = client === 'native' ? ['--native-ssh'] : [];
      // The native client hands "--" to the guest's shell; only ssh(1) understands it.
      const end = client === 'native' ? [] : ['--'];
      expect(await store.succeed([...flags, 'ssh', 'dev', 'echo', 'foo'])).toBe('foo');
      expect((await store.succeed([...flags, 'ssh', 'dev', ...end, 'ls', '-lah', '/'])).split('\n')[0]).toContain(
        'total',
      );
      expect((await store.machine([...flags, 'ssh', 'dev', 'exit 3'])).code).not.toBe(0);
    });

    test('scp copies both ways', async () => {
      const file = path.join(store.path, 'there');
      writeFileSync(file, 'there and back');
      await store.succeed(['scp', file, 'dev:/tmp/there']);
      await store.succeed(['scp', 'dev:/tmp/there', path.join(store.path, 'back')]);
      expect(readFileSync(path.join(store.path, 'back'), 'utf8')).toBe('there and back');
    });

    test("a container's published port is reachable on the machine's address", async () => {
      const serve = 'echo published >index.html; httpd -f';
      await inDocker(['run', '-d', '--name', 'web', '-p', '8080:80', 'busybox', 'sh', '-c', serve]);
      const started = Date.now();
      await until('port 8080 opens on the host', () => listeningOn(address).includes(8080));
      const openMs = Date.now() - started;
      const body = await (await fetch(`http://${address}:8080/index.html`)).text();
      expect(body.trim()).toBe('published');
      await inDocker(['rm', '-f', 'web']);
      const removed = Date.now();
      await until('port 8080 closes on the host', () => !listeningOn(address).includes(8080));
      process.stderr.write(`published port: open ${openMs} ms after run, closed ${Date.now() - removed} ms after rm\n`);
    });

    test("the guest knows this host by name, and doesn't get to what listens on its loopback", async () => {
      const server = createServer((socket) => socket.end('private'));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      try {
        const { port } = server.address() as AddressInfo;
        const host =
          (await store.succeed(['ssh', 'dev', 'getent ahostsv4 host.docker.internal'])).split(/\s+/)[0] ?? '';
        expect(host).toBe('192.168.65.2');
        const tried = await store.succeed(['ssh', 'dev', `bash -c 'cat </dev/tcp/${host}/${port}' 2>&1; true`]);
        expect(tried).toContain('Connection refused');
      } finally {
        server.close();
      }
    });

    test('a second machine runs beside the first at an address of its own', async () => {
      const servers = [0, 1].map(() => createServer((socket) => socket.end('hello from the host')));
      for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
      const [open, closed] = servers.map((server) => String((server.address() as AddressInfo).port)) as [
        string,
        string,
      ];
      await store.succeed([
        'create',
        '-d',
        'hyperkit',
        '--engine-label',
        'tier=two',
        '--hyperkit-host-ports',
        open,
        'second',
      ]);
      const read = (port: string): Promise<string> =>
        store.succeed(['ssh', 'second', `timeout 20 bash -c 'cat </dev/tcp/192.168.65.2/${port}' || true`]);
      expect(await read(open)).toBe('hello from the host');
      expect(await read(closed)).toBe('');
      for (const server of servers) server.close();
      const other = await store.succeed(['ip', 'second']);
      expect(other).not.toBe(address);
      expect(await store.succeed(['status', 'dev'])).toBe('Running');
      environment = await readEnvironment('second');
      expect(await inDocker(['info', '--format', '{{.Labels}}'])).toContain('tier=two');
      await store.succeed(['rm', '-y', 'second']);
      expect(existsSync(store.folder('second'))).toBe(false);
      expect(listeningOn(other)).toEqual([]);
    });

    test('a file in a volume survives stop and start', async () => {
      environment = await readEnvironment('dev');
      await inDocker(['run', '--rm', '-v', 'kept:/data', 'busybox', 'sh', '-c', 'echo still here >/data/file']);
      await store.succeed(['stop', 'dev']);
      expect(await store.succeed(['status', 'dev'])).toBe('Stopped');
      expect(listeningOn(address)).toEqual([]);
      await store.succeed(['start', 'dev']);
      expect(await store.succeed(['ip', 'dev'])).toBe(address);
      environment = await readEnvironment('dev');
      expect(await inDocker(['run', '--rm', '-v', 'kept:/data', 'busybox', 'cat', '/data/file'])).toBe('still here');
    });

    test('a stopped machine says Host is not running and shows as Stopped', async () => {
      await store.succeed(['kill', 'dev']);
      for (const verb of ['url', 'env', 'version', 'ip']) {
        const outcome = await store.machine([verb, 'dev']);
        expect(outcome.code).not.toBe(0);
        expect(outcome.output).toContain('Host is not running');
      }
      expect(await store.succeed(['ls', '-f', '{{.Name}} {{.State}} {{.Error}}'])).toBe('dev Stopped');
      expect((await store.machine(['ssh', 'dev', 'true'])).output).toContain('is not running');
    });

    test('upgrade of a stopped machine leaves it running, start then says so', async () => {
      await store.succeed(['upgrade', 'dev']);
      expect(await store.succeed(['status', 'dev'])).toBe('Running');
      const outcome = await store.machine(['start', 'dev']);
      expect(outcome.code).toBe(1);
      expect(outcome.output).toContain('already running');
    });

    test('restart', async () => {
      await store.succeed(['restart', 'dev']);
      expect(await store.succeed(['status', 'dev'])).toBe('Running');
    });

    test('regenerate-certs', async () => {
      await store.succeed(['regenerate-certs', '-f', 'dev']);
      environment = await readEnvironment('dev');
      expect(await inDocker(['run', '--rm', '-v', 'kept:/data', 'busybox', 'cat', '/data/file'])).toBe('still here');
    });

    test('rm leaves no file, process or port', async () => {
      mkdirSync(path.join(store.path, 'docker-cli'), { recursive: true });
      await store.succeed(['rm', '-y', 'dev']);
      expect(existsSync(store.folder('dev'))).toBe(false);
      await store.becomesQuiet();
      expect(listeningOn(address)).toEqual([]);
    });
  },
);
