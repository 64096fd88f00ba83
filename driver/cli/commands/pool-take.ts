import { DriverError } from '../../errors';
import { takeMachine } from '../../pool/take-machine';
import { defineCommand } from '../command';
import { onePoolName } from '../machine-names';

export const poolTake = defineCommand({
  usage: '[options] [pool]',
  describe:
    'Takes a Docker host that is ready, and prints its name: eval "$(hyperkit env $(hyperkit pool take))". It is yours until "hyperkit rm". POOL is "pool" unless given.',
  options: {
    timeout: { alias: 't', type: 'number', default: 300, describe: 'seconds to wait when none is ready' },
  },
  async run({ operands, timeout }, { store, output }) {
    const pool = onePoolName('pool take', operands, 'pool');
    if (!(timeout >= 0)) throw new DriverError('HK_USAGE', 'cannot use --timeout: it must be a number of seconds');
    const name = await takeMachine(store, pool, {
      timeoutMs: timeout * 1000,
      onWait: () => output.say(`No machine of pool "${pool}" is ready; waiting for one, at most ${timeout} s`),
    });
    if (!output.style.json) {
      output.print(name);
      return undefined;
    }
    const machine = await store.load(name);
    const driver = machine.requireDriver();
    output.json({ name, address: await driver.getIP(), url: await driver.getURL(), certPath: machine.folder });
    return undefined;
  },
});
