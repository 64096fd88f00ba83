import { appendFileSync, copyFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { BUSYBOX, ISO, listeningOn, missingForMachines, Store } from '../support/machines';
import { describeWith, dockerClient, PROJECT } from '../support/peers';
import { type Outcome, type RunOptions, run } from '../support/run';
import { until } from '../support/until';

// The verbs of `hyperkit` on two machines that are made together, in good days and bad ones.
const docker = dockerClient();

describeWith('verbs', [...missingForMachines(), docker.available ? undefined : docker.reason], () => {
  jest.setTimeout(600_000);
  const store = new Store(path.join(PROJECT, 'dist/bin/hyperkit'));
  const hyperkit = (words: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
    store.machine(words, options);
  let isoCopy: string;

  /** What the machine's Docker says over TLS. */
  const inDocker = async (name: string, ...words: readonly string[]): Promise<string> => {
    const tls = (await store.succeed(['config', name])).split('\n').map((word) => word.replaceAll('"', ''));
    const { code, stdout, output } = await run(docker.available ? docker.path : '', [...tls, ...words], {
      env: store.env,
    });
    if (code !== 0) throw new Error(`docker ${words.join(' ')}: exit ${code}\n${output}`);
    return stdout.trim();
  };
  const expectEngine = async (name: string): Promise<void> => {
    const info = JSON.parse(await inDocker(name, 'info', '--format', 'json'));
    expect(info).toMatchObject({
      Name: name,
      Driver: 'overlay2',
      LoggingDriver: 'local',
      LiveRestoreEnabled: true,
      NoProxy: 'skip.example',
      RegistryConfig: {
        InsecureRegistryCIDRs: expect.arrayContaining(['10.11.0.0/16']),
        IndexConfigs: expect.objectContaining({ 'reg.example:5000': expect.objectContaining({ Secure: false }) }),
        Mirrors: ['https://mirror.example/'],
      },
    });
    expect([...info.Labels].sort()).toEqual(['provider=hyperkit', 'tier=test']);
  };
  /** The QEMU that runs the machine. */
  const hypervisorOf = (name: string): number => {
    const found = store.processes().filter((line) => line.includes('qemu-system') && line.includes(`guest=${name},`));
    expect(found).toHaveLength(1);
    return Number.parseInt(found[0] ?? '', 10);
  };
  /** Runs a verb and does something as soon as it says that; then waits for both. */
  const whenSaid = async (words: readonly string[], text: string, act: (pid: number) => unknown): Promise<Outcome> => {
    let pid = 0;
    let said = '';
    let done: Promise<unknown> | undefined;
    const outcome = await hyperkit(words, {
      started: (child) => {
        pid = child.pid ?? 0;
      },
      heard: (piece) => {
        said += piece;
        if (said.includes(text)) done ??= Promise.resolve(pid).then(act);
      },
    });
    expect(said).toContain(text);
    await done;
    return outcome;
  };
  const expectNothingLeft = async (name: string): Promise<void> => {
    expect(store.machines()).not.toContain(name);
    expect(listeningOn(store.address(name))).toEqual([]);
    await until('its processes are gone', () => store.processes().every((line) => !line.includes(name)));
  };

  beforeAll(() => {
    isoCopy = path.join(store.path, 'released.iso');
    copyFileSync(ISO, isoCopy);
  });
  afterAll(() => store.dispose());

  test('create makes two at once, with a Docker as it was asked for', async () => {
    const { code, stdout, output } = await hyperkit([
      ...['create', '--json', '--parallel', '2', '--boot2docker-url', pathToFileURL(isoCopy).href],
      ...['--engine-opt', 'log-driver=local', '--engine-opt', 'live-restore', '--engine-env', 'NO_PROXY=skip.example'],
      ...['--engine-label', 'tier=test', '--engine-registry-mirror', 'https://mirror.example'],
      ...['--engine-insecure-registry', 'reg.example:5000', '--engine-insecure-registry', '10.11.0.0/16', 'one', 'two'],
    ]);
    if (code !== 0) throw new Error(output);
    const made = JSON.parse(stdout);
    expect(made).toMatchObject([{ name: 'one' }, { name: 'two' }]);
    expect(made[0].address).not.toBe(made[1].address);
    await Promise.all(['one', 'two'].map(expectEngine));
  });

  test('restart of one and upgrade of the other at once: what was asked for and loaded stays, the busy ones say so', async () => {
    for (const name of ['one', 'two']) {
      await store.succeed(['scp', BUSYBOX, `${name}:/tmp/busybox.tar`]);
      await store.succeed(['ssh', name, 'docker load -qi /tmp/busybox.tar && docker volume create kept && sync']);
    }
    appendFileSync(isoCopy, Buffer.alloc(2048));
    let refused: Outcome | undefined;
    const [restarted, upgraded] = await Promise.all([
      whenSaid(['restart', 'one'], 'Waiting for SSH', async () => {
        refused = await hyperkit(['stop', 'one']);
        expect(await store.succeed(['ip', 'one'])).toBe(store.address('one'));
      }),
      hyperkit(['upgrade', 'two']),
    ]);
    expect([restarted.code, restarted.output]).toEqual([0, expect.stringContaining('Machine "one" was restarted.')]);
    expect([refused?.code, refused?.stderr]).toEqual([
      5,
      expect.stringMatching(/cannot work on machine "one": "hyperkit restart one" \(process \d+\) is working on it/),
    ]);
    expect([upgraded.code, upgraded.output]).toEqual([
      0,
      expect.stringMatching(/Machine "two" was upgraded to boot2docker v\d+\.\d+/),
    ]);
    const isoBytes = (name: string): number => statSync(path.join(store.folder(name), 'boot2docker.iso')).size;
    expect([isoBytes('one'), isoBytes('two')]).toEqual([statSync(ISO).size, statSync(isoCopy).size]);
    for (const name of ['one', 'two']) {
      await expectEngine(name);
      expect(await inDocker(name, 'run', '--rm', '-v', 'kept:/data', 'busybox', 'echo', 'here')).toBe('here');
    }
  });

  test('a guest that answers nothing: no verb waits longer than it says, the other machine is listed, kill helps', async () => {
    process.kill(hypervisorOf('two'), 'SIGSTOP');
    const listed = await hyperkit(['ls', '--timeout', '4', '-f', '{{.Name}} {{.State}}']);
    expect(listed.stdout).toBe('one Running\ntwo Timeout\n');
    // Its own wait was over after 4 s; the rest is slack for the host.
    expect(listed.seconds).toBeLessThan(30);
    expect(await store.succeed(['status', 'two'])).toBe('Running');
    expect(await store.succeed(['url', 'two'])).toBe(`tcp://${store.address('two')}:2376`);
    expect(await hyperkit(['ssh', 'two', 'true'])).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/cannot log in to docker@\S+ within 30 s: nobody greets there/),
    });
    expect(await hyperkit(['version', 'two'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cannot reach Docker at \S+: no answer within \d+ s/),
    });
    await store.succeed(['kill', 'two']);
    expect(await store.succeed(['status', 'two'])).toBe('Stopped');
    expect(listeningOn(store.address('two'))).toEqual([]);
    await store.succeed(['rm', '-y', 'two']);
    await expectNothingLeft('two');
  });

  test.each([
    'Running pre-create checks',
    'Creating SSH key',
    'Installing the boot2docker ISO',
    'Booting the virtual machine',
    'Setting up Docker',
  ])('Ctrl-C at "%s" of create leaves nothing', async (phase) => {
    const outcome = await whenSaid(['create', '--warm', 'never', 'cut'], phase, (pid) => process.kill(pid, 'SIGINT'));
    expect([outcome.code, outcome.stderr]).toEqual([
      130,
      expect.stringContaining('interrupted by SIGINT; what had been started was undone'),
    ]);
    await expectNothingLeft('cut');
  });

  test('rm -f of another process while create waits: create fails, and nothing is left', async () => {
    const outcome = await whenSaid(['create', '--warm', 'never', 'cut'], 'Waiting for SSH', async () => {
      await store.succeed(['rm', '-f', 'cut']);
    });
    expect(outcome.code).toBe(1);
    await expectNothingLeft('cut');
  });

  test('rm leaves nothing', async () => {
    await store.succeed(['rm', '-y', 'one']);
    expect(store.machines()).toEqual([]);
    expect(listeningOn(store.address('one'))).toEqual([]);
    await store.becomesQuiet();
  });
});
