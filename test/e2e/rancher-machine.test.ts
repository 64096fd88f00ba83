import { existsSync } from 'node:fs';
import { missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';

// rancher-machine hands its own command line to the plugin, changes users, and asks a method of its own.
const peer = buildPeer('rancher-machine');

describeWith(
  'a Docker host from rancher-machine',
  [...missingForMachines(), peer.available ? undefined : peer.reason],
  () => {
    jest.setTimeout(600_000);
    const store = new Store(peer.available ? peer.path : '');
    afterAll(() => store.dispose());

    test('creates, lists and removes a machine', async () => {
      await store.succeed(['create', '-d', 'hyperkit', '--hyperkit-memory-size', '1024', 'ranch']);
      const row = (await store.succeed(['ls', '-f', '{{.Name}}|{{.DriverName}}|{{.State}}|{{.URL}}'])).split('|');
      const address = await store.succeed(['ip', 'ranch']);
      expect(row).toEqual(['ranch', 'hyperkit', 'Running', `tcp://${address}:2376`]);
      expect(await store.succeed(['ssh', 'ranch', 'docker', 'version', '-f', '{{.Server.Os}}'])).toBe('linux');
      await store.succeed(['stop', 'ranch']);
      expect(await store.succeed(['status', 'ranch'])).toBe('Stopped');
      await store.succeed(['rm', '-y', 'ranch']);
      expect(existsSync(store.folder('ranch'))).toBe(false);
      await store.becomesQuiet();
    });
  },
);
