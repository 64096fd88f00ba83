import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ISO, listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';

// minikube starts its hyperkit driver through its own copy of libmachine and gives it everything as JSON.
const peer = buildPeer('minikube');

describeWith(
  "a machine from minikube's hyperkit configuration",
  [...missingForMachines(), peer.available ? undefined : peer.reason],
  () => {
    jest.setTimeout(600_000);
    const store = new Store(peer.available ? peer.path : '');
    const minikube = (command: readonly string[]): Promise<string> =>
      store.succeed([
        ...['-store', store.path, '-name', 'minikube', '-iso', pathToFileURL(ISO).href],
        ...['-memory', '1024', '-cpus', '2', '-disk', '20000', ...command],
      ]);
    afterAll(async () => {
      await minikube(['remove']).catch(() => undefined);
      await store.dispose();
    });

    test('the version is one that minikube accepts', async () => {
      const [major = 0, minor = 0] = (await minikube(['version'])).replace(/^v/, '').split('.').map(Number);
      expect(major > 1 || (major === 1 && minor >= 11)).toBe(true);
    });

    test('create, ssh, stop, start and remove', async () => {
      const [state, address = ''] = (await minikube(['create'])).split('\n');
      expect(state).toBe('Running');
      expect(await minikube(['ssh', 'exit 0'])).toBe('');
      expect(await minikube(['ssh', 'nproc'])).toBe('2');
      expect(JSON.parse(await minikube(['config']))).toMatchObject({
        CPU: 2,
        Memory: 1024,
        DiskSize: 20000,
        IPAddress: address,
      });
      await minikube(['stop']);
      expect(await minikube(['state'])).toBe('Stopped');
      expect(listeningOn(address)).toEqual([]);
      expect((await minikube(['start'])).split('\n')).toEqual(['Running', address]);
      await minikube(['remove']);
      expect(existsSync(store.folder('minikube'))).toBe(false);
      await store.becomesQuiet();
      expect(listeningOn(address)).toEqual([]);
    });
  },
);
