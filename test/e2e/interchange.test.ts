import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { BUSYBOX, listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith, dockerClient, PROJECT } from '../support/peers';
import { type Outcome, type RunOptions, run } from '../support/run';
import { until } from '../support/until';

// `hyperkit` without docker-machine, and both on one store: what one makes the other manages. One machine each way.
const docker = dockerClient();
const peer = buildPeer('docker-machine');
const HYPERKIT = path.join(PROJECT, 'dist/bin/hyperkit');

describeWith(
  'one store, two clients',
  [
    ...missingForMachines(),
    peer.available ? undefined : peer.reason,
    docker.available ? undefined : docker.reason,
    existsSync(BUSYBOX) ? undefined : `no test image at ${BUSYBOX} (image/busybox-image makes it)`,
  ],
  () => {
    jest.setTimeout(600_000);
    const store = new Store(peer.available ? peer.path : '');

    const hyperkit = (args: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
      run(HYPERKIT, args, { deadlineMs: 300_000, env: store.env, ...options });
    const succeed = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, output } = await hyperkit(args);
      if (code !== 0) throw new Error(`hyperkit ${args.join(' ')}: exit ${code}\n${output}`);
      return stdout.trim();
    };
    const inDocker = async (env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<string> => {
      const { code, stdout, output } = await run(docker.available ? docker.path : '', args, {
        env: { ...store.env, ...env },
      });
      if (code !== 0) throw new Error(`docker ${args.join(' ')}: exit ${code}\n${output}`);
      return stdout.trim();
    };
    /** dockerd tells its labels in any order. */
    const infoOf = async (context: string): Promise<object> => {
      const { Name, Labels, Driver } = JSON.parse(await inDocker({}, '--context', context, 'info', '--format', 'json'));
      return { Name, Labels: Labels.sort(), Driver };
    };
    const LABELS = ['provider=hyperkit', 'tier=one'];
    const exportsOf = (text: string): NodeJS.ProcessEnv =>
      Object.fromEntries([...text.matchAll(/export (\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]));
    const configOf = (name: string): string => readFileSync(path.join(store.folder(name), 'config.json'), 'utf8');
    const profileOf = (name: string): Promise<string> =>
      store.succeed(['ssh', name, 'cat /var/lib/boot2docker/profile']);

    afterAll(() => store.dispose());

    describe('made by hyperkit, managed by docker-machine', () => {
      let address = '';

      test('create makes a Docker host and a docker context, and says what to do next', async () => {
        const { code, output, stdout } = await hyperkit([
          ...['create', '--json', '--cpu-count', '2', '--engine-label', 'tier=one', '--tls-san', 'docker.example'],
          ...['--docker-context', 'ours'],
        ]);
        expect([code, output]).toEqual([0, expect.stringContaining('Next: docker --context ours version')]);
        const [result] = JSON.parse(stdout);
        address = result.address;
        expect(result).toMatchObject({ name: 'ours', url: `tcp://${address}:2376` });
        expect(await infoOf('ours')).toEqual({ Name: 'ours', Labels: LABELS, Driver: 'overlay2' });
      });

      test('its verbs agree', async () => {
        expect(await succeed('status', 'ours')).toBe('Running');
        expect(await succeed('ip', 'ours')).toBe(address);
        expect(await succeed('ls', '-f', '{{.Name}} {{.DriverName}} {{.State}} {{.URL}} {{.Error}}')).toBe(
          `ours hyperkit Running tcp://${address}:2376`,
        );
        expect(await succeed('version', 'ours')).toMatch(/^\d+\.\d+/);
        const again = await hyperkit(['start', 'ours']);
        expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('is already running')]);
      });

      test('docker-machine reads its config.json and writes the very same', async () => {
        const before = configOf('ours');
        // `ip` saves.
        expect(await store.succeed(['ip', 'ours'])).toBe(address);
        expect(configOf('ours')).toBe(before);
        expect(await store.succeed(['status', 'ours'])).toBe('Running');
        const row = await store.succeed(['ls', '-f', '{{.Name}} {{.State}} {{.URL}} {{.Error}}']);
        expect(row).toBe(`ours Running tcp://${address}:2376`);
        expect(await store.succeed(['ssh', 'ours', 'hostname'])).toBe('ours');
      });

      test('the environment is the same from both, and a container runs', async () => {
        const [ours, theirs] = [
          await succeed('env', '--shell', 'bash', 'ours'),
          await store.succeed(['env', '--shell', 'bash', 'ours']),
        ];
        const environment = exportsOf(ours);
        expect(environment).toEqual(exportsOf(theirs));
        expect(await succeed('config', 'ours')).toBe(await store.succeed(['config', 'ours']));
        await inDocker(environment, 'load', '-i', BUSYBOX);
        expect(await inDocker(environment, 'run', '--rm', 'busybox', 'echo', 'hello')).toBe('hello');
      });

      test('regenerate-certs of either leaves the same in the guest', async () => {
        const before = await profileOf('ours');
        await store.succeed(['regenerate-certs', '-f', 'ours']);
        expect(await profileOf('ours')).toBe(before);
        // dockerd now runs with the profile's options: only its front is started anew.
        expect(JSON.parse(await succeed('regenerate-certs', '-f', '--json', 'ours'))).toEqual([
          { name: 'ours', docker: 'unchanged' },
        ]);
        expect(await profileOf('ours')).toBe(before);
        expect(await inDocker({}, '--context', 'ours', 'version', '--format', '{{.Server.Os}}')).toBe('linux');
      });

      test('docker-machine stops, starts and removes it', async () => {
        await store.succeed(['stop', 'ours']);
        expect(await succeed('status', 'ours')).toBe('Stopped');
        await store.succeed(['start', 'ours']);
        expect(await succeed('url', 'ours')).toBe(`tcp://${address}:2376`);
        expect(await infoOf('ours')).toMatchObject({ Labels: LABELS });
        await store.succeed(['rm', '-y', 'ours']);
        expect(existsSync(store.folder('ours'))).toBe(false);
        expect(await succeed('ls', '-q')).toBe('');
        await store.becomesQuiet();
      });
    });

    describe('made by docker-machine, managed by hyperkit', () => {
      test('every verb, to the last', async () => {
        await store.succeed(['create', '-d', 'hyperkit', '--hyperkit-cpu-count', '2', 'theirs']);
        const address = await succeed('ip', 'theirs');
        expect(await succeed('ls', '-f', '{{.Name}} {{.State}} {{.URL}} {{.Error}}')).toBe(
          `theirs Running tcp://${address}:2376`,
        );
        const before = JSON.parse(configOf('theirs'));
        await succeed('stop', 'theirs');
        expect(await store.succeed(['status', 'theirs'])).toBe('Stopped');
        expect(await succeed('ls', '-f', '{{.Name}} {{.State}}')).toBe('theirs Stopped');
        await succeed('start', 'theirs');
        expect(JSON.parse(configOf('theirs'))).toEqual(before);
        const environment = exportsOf(await succeed('env', '--shell', 'bash', 'theirs'));
        expect(await inDocker(environment, 'info', '--format', '{{.Name}} {{.Labels}}')).toBe(
          'theirs [provider=hyperkit]',
        );
        await succeed('rm', '-y', 'theirs');
        expect(await store.succeed(['ls', '-q'])).toBe('');
        expect(listeningOn(address)).toEqual([]);
        await store.becomesQuiet();
      });
    });

    describe('a create that is cut off', () => {
      test('Ctrl-C leaves nothing', async () => {
        const outcome = await interrupt('SIGINT');
        expect([outcome.code, outcome.stderr]).toEqual([130, expect.stringContaining('interrupted by SIGINT')]);
        expect(store.machines()).toEqual([]);
        await store.becomesQuiet();
      });

      test('SIGKILL leaves something that rm removes', async () => {
        await interrupt('SIGKILL');
        expect(store.machines()).toEqual(['cut']);
        await succeed('rm', '-y', 'cut');
        expect(store.machines()).toEqual([]);
        await store.becomesQuiet();
        expect(readdirSync(path.join(store.path, 'certs')).sort()).toEqual([
          'ca-key.pem',
          'ca.pem',
          'cert.pem',
          'key.pem',
        ]);
      });

      /** Sends the signal to a create whose guest is booting. */
      async function interrupt(signal: NodeJS.Signals): Promise<Outcome> {
        let said = '';
        let interrupted = false;
        const ending = hyperkit(['create', '--warm', 'never', 'cut'], {
          heard: (text) => {
            said += text;
          },
          started: (child) => {
            void until('the guest boots', () => said.includes('Waiting for SSH'), 120_000).then(() => {
              interrupted = true;
              process.kill(child.pid ?? 0, signal);
            });
          },
        });
        const outcome = await ending;
        expect(interrupted).toBe(true);
        return outcome;
      }
    });
  },
);
