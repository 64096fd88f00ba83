import path from 'node:path';
import { dockerTarget, pingDocker } from '../../docker/docker-client';
import { readAuthPaths } from '../../host/host-options';
import { defineCommand } from '../command';
import { oneMachineName } from '../machine-names';

export const config = defineCommand({
  usage: '[machine]',
  describe: 'Prints options for the docker command: docker $(hyperkit config dev) version',
  options: {},
  async run({ operands }, { store, output }) {
    const machine = await store.load(oneMachineName('config', operands));
    const url = await machine.requireDriver().getURL();
    await pingDocker(dockerTarget(url, readAuthPaths(machine.document, store.path, machine.folder)));
    const [ca, certificate, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((file) => path.join(machine.folder, file));
    if (output.style.json)
      output.json({ tlsverify: true, tlscacert: ca, tlscert: certificate, tlskey: key, host: url });
    else output.print(`--tlsverify\n--tlscacert="${ca}"\n--tlscert="${certificate}"\n--tlskey="${key}"\n-H=${url}`);
    return undefined;
  },
});
