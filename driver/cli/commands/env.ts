import { dockerTarget, pingDocker } from '../../docker/docker-client';
import { DriverError } from '../../errors';
import { readAuthPaths } from '../../host/host-options';
import { defineCommand } from '../command';
import { oneMachineName } from '../machine-names';
import { detectShell, type EnvironmentChange, formatEnvironment, noProxyWith, SHELLS } from '../shell-environment';

const NAMES = ['DOCKER_TLS_VERIFY', 'DOCKER_HOST', 'DOCKER_CERT_PATH', 'DOCKER_MACHINE_NAME'] as const;

export const env = defineCommand({
  usage: '[machine]',
  describe: 'Prints what a shell sets so that docker speaks to a machine: eval "$(hyperkit env dev)"',
  options: {
    shell: { type: 'string', default: '', defaultDescription: 'by $SHELL', describe: `one of ${SHELLS.join(', ')}` },
    unset: { alias: 'u', type: 'boolean', default: false, describe: 'unset what env sets' },
    'no-proxy': { type: 'boolean', default: false, describe: "add the machine's address to NO_PROXY" },
  },
  async run({ operands, shell: given, unset, 'no-proxy': withNoProxy }, { store, output }) {
    const shell = detectShell(given, process.env);
    const words = [
      'env',
      ...(unset ? ['-u'] : []),
      ...(given === '' ? [] : ['--shell', given]),
      ...(withNoProxy ? ['--no-proxy'] : []),
      ...operands,
    ];
    const hint = ['hyperkit', ...words].join(' ');
    if (unset) {
      if (operands.length > 0)
        throw new DriverError(
          'HK_USAGE',
          '"hyperkit env --unset" takes no machine: what it unsets is the same for all',
        );
      const names = [...NAMES, ...(withNoProxy ? [noProxyWith('', process.env).name] : [])];
      const changes = names.map((name): EnvironmentChange => ({ name, value: undefined }));
      if (output.style.json) output.json(Object.fromEntries(names.map((name) => [name, null])));
      else output.print(formatEnvironment(shell, changes, hint));
      return undefined;
    }
    const machine = await store.load(oneMachineName('env', operands));
    const driver = machine.requireDriver();
    const url = await driver.getURL();
    await pingDocker(dockerTarget(url, readAuthPaths(machine.document, store.path, machine.folder)));
    const values = ['1', url, machine.folder, machine.name];
    const changes: EnvironmentChange[] = NAMES.map((name, index) => ({ name, value: values[index] ?? '' }));
    if (withNoProxy) changes.push(noProxyWith(await driver.getIP(), process.env));
    if (output.style.json) output.json(Object.fromEntries(changes.map(({ name, value }) => [name, value])));
    else output.print(formatEnvironment(shell, changes, hint));
    return undefined;
  },
});
