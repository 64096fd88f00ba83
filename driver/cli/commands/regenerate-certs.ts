import { renewCertificates } from '../../host/renew-certificates';
import { defineCommand } from '../command';
import { confirm } from '../confirmation';
import { forEachMachine } from '../each-machine';
import { EXIT } from '../exit-status';
import { machineNames } from '../machine-names';

export const regenerateCerts = defineCommand({
  usage: '[-f] [machine...]',
  describe: 'Makes new TLS certificates for running machines and lays their Docker configuration down again.',
  options: {
    force: { alias: 'f', type: 'boolean', default: false, describe: 'do not ask' },
    'client-certs': { type: 'boolean', default: false, describe: "also the client's pair, which all machines share" },
  },
  async run({ operands, force, 'client-certs': renewClient }, context) {
    const { store, output, signal } = context;
    const names = machineNames(operands);
    if (!force && !(await confirm('Regenerate TLS machine certs?  Warning: this is irreversible.', '-f', signal)))
      return EXIT.ok;
    return await forEachMachine(
      context,
      names,
      async (name, progress) => {
        const machine = await store.load(name);
        progress.phase(`Regenerating TLS certificates of "${name}"`);
        const docker = await renewCertificates(store, machine, { logger: output.loggerOf(name), signal, renewClient });
        return { docker };
      },
      // The client's pair is made once for each: one after the other, the last one counts for all.
      renewClient ? 1 : names.length,
    );
  },
});
