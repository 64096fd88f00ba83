import { buildCommit, packageVersion } from '../../version';
import { defineCommand } from '../command';
import { oneMachineName } from '../machine-names';

const DEADLINE_MS = 20_000;

export const version = defineCommand({
  usage: '[machine]',
  describe: "Prints this program's version, or that of a running machine's Docker.",
  options: {},
  async run({ operands }, { store, output }) {
    if (operands.length === 0) {
      if (output.style.json) output.json({ version: packageVersion, commit: buildCommit() });
      else output.print(`hyperkit version ${packageVersion}, build ${buildCommit()}`);
      return undefined;
    }
    const [{ dockerTarget, readDockerVersion }, { readAuthPaths }] = await Promise.all([
      import('../../docker/docker-client'),
      import('../../host/host-options'),
    ]);
    const machine = await store.load(oneMachineName('version', operands));
    const url = await machine.requireDriver().getURL();
    const target = dockerTarget(url, readAuthPaths(machine.document, store.path, machine.folder));
    const docker = await readDockerVersion(target, DEADLINE_MS);
    if (output.style.json) output.json({ name: machine.name, docker });
    else output.print(docker);
    return undefined;
  },
});
