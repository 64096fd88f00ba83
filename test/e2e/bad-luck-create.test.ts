import { connect } from 'node:net';
import { identifyProcess } from '../../engine/machine/process-identity';
import { createLikeClient, drive } from '../support/drivers';
import { listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';
import type { Outcome } from '../support/run';
import { until } from '../support/until';

// Creates that are cut off, and creates that come together.
const peer = buildPeer('docker-machine');
const PLUGIN = 'docker-machine-driver-hyperkit';

describeWith('a create with bad luck', [...missingForMachines(), peer.available ? undefined : peer.reason], () => {
  jest.setTimeout(600_000);
  const store = new Store(peer.available ? peer.path : '');
  afterAll(() => store.dispose());

  /** Runs `docker-machine create NAME` in a process group of its own and strikes when it says `moment`. */
  const createUntil = async (
    name: string,
    moment: string,
    strike: (clientPid: number) => unknown,
  ): Promise<Outcome> => {
    let clientPid = 0;
    let said = '';
    let blow: Promise<unknown> | undefined;
    const outcome = await store.machine(['create', '-d', 'hyperkit', '--hyperkit-warm', 'never', name], {
      started: ({ pid = 0 }) => {
        clientPid = pid;
      },
      heard: (text) => {
        said += text;
        if (said.includes(moment)) blow ??= Promise.resolve(clientPid).then(strike);
      },
    });
    expect(said).toContain(moment);
    await blow;
    return outcome;
  };

  /** The plugin that was started last: docker-machine starts one to learn the flags, and then one to create. */
  const newestPlugin = async (): Promise<number> => {
    const plugins = store.processes().filter((line) => line.includes(PLUGIN));
    const found = await Promise.all(plugins.map((line) => identifyProcess(Number.parseInt(line, 10))));
    const [newest] = found.flatMap((it) => it ?? []).sort((a, b) => Number(b.startTime) - Number(a.startTime));
    return newest?.pid ?? 0;
  };

  /** Nothing of a machine runs or listens; plugins that wait for their client are no part of it. */
  const expectNoMachine = (name: string): void => {
    expect(store.processes().filter((line) => !line.includes(PLUGIN))).toEqual([]);
    expect(listeningOn(store.address(name))).toEqual([]);
  };

  test.each([
    ['cut-1', 'Creating SSH key'],
    ['cut-2', 'Installing the boot2docker ISO'],
    ['cut-3', 'Using boot2docker'],
    ['cut-4', 'Booting the virtual machine'],
    ['cut-5', 'Waiting for SSH on'],
  ])('%s: the plugin is killed at "%s": create fails, rm leaves nothing', async (name, moment) => {
    const outcome = await createUntil(name, moment, async () => process.kill(await newestPlugin(), 'SIGKILL'));
    expect(outcome.code).toBe(1);
    expect(outcome.output).toContain('Error creating machine');
    await store.succeed(['rm', '-y', name]);
    expect(store.machines()).toEqual([]);
    expectNoMachine(name);
  });

  test.each(['Installing the boot2docker ISO', 'Waiting for SSH on'])(
    'Ctrl-C at "%s": everything ends at once, rm leaves nothing',
    async (moment) => {
      await store.becomesQuiet();
      await createUntil('stopped', moment, (clientPid) => process.kill(-clientPid, 'SIGINT'));
      await store.becomesQuiet(4_000);
      expectNoMachine('stopped');
      expect(await store.succeed(['status', 'stopped'])).toBe('Stopped');
      await store.succeed(['rm', '-y', 'stopped']);
      expect(store.machines()).toEqual([]);
    },
  );

  test('the client is killed: its plugin notices at once, ends the virtual machine and goes', async () => {
    await createUntil('orphan', 'Waiting for SSH on', (clientPid) => process.kill(clientPid, 'SIGKILL'));
    await until('its machine is gone', () => listeningOn(store.address('orphan')).length === 0, 60_000);
    await store.becomesQuiet(60_000);
    expectNoMachine('orphan');
    expect(await store.succeed(['status', 'orphan'])).toBe('Stopped');
    await store.succeed(['rm', '-y', 'orphan']);
    expect(store.machines()).toEqual([]);
  });

  test('four creates at once: each has an address of its own, and all come up', async () => {
    const names = ['one', 'two', 'three', 'four'];
    const endpoints = await Promise.all(
      names.map((name) =>
        drive(store, name, { flags: {} }, async (driven) => {
          await createLikeClient(store, driven);
          return { host: await driven.driver.getIP(), port: await driven.driver.getSSHPort() };
        }),
      ),
    );
    expect(new Set(endpoints.map(({ host }) => host)).size).toBe(4);
    for (const endpoint of endpoints) expect(await readGreeting(endpoint)).toMatch(/^SSH-2\.0-/);
    expect(store.processes().filter((line) => line.includes('qemu-system'))).toHaveLength(4);
    const listed = await store.succeed(['ls', '-f', '{{.Name}} {{.State}}']);
    expect(listed.split('\n').sort()).toEqual(names.map((name) => `${name} Running`).sort());
    await store.succeed(['rm', '-y', ...names]);
    expect(store.machines()).toEqual([]);
    for (const { host } of endpoints) expect(listeningOn(host)).toEqual([]);
    await store.becomesQuiet();
  });
});

function readGreeting(endpoint: { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(endpoint);
    socket.setTimeout(20_000, () => socket.destroy(new Error(`no greeting of ${endpoint.host}`)));
    socket.once('error', reject);
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString('latin1'));
    });
  });
}
