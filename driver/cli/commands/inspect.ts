import { defineCommand } from '../command';
import { parseTemplate } from '../go-template';
import { oneMachineName } from '../machine-names';

export const inspect = defineCommand({
  usage: '[machine]',
  describe: "Prints a machine's configuration, config.json with what the driver knows now.",
  options: {
    format: {
      alias: 'f',
      type: 'string',
      default: '',
      describe: 'Go template, such as {{.Driver.IPAddress}} or {{json .HostOptions}}',
    },
  },
  async run({ operands, format }, { store, output }) {
    const template = format === '' ? undefined : parseTemplate(format, { strict: false });
    const machine = await store.load(oneMachineName('inspect', operands));
    const config = await machine.driver?.getConfigRaw();
    const driver: unknown =
      config === undefined ? machine.document['Driver'] : JSON.parse(Buffer.from(config).toString('utf8'));
    const document = { ...machine.document, Driver: driver };
    output.print(template?.render(document) ?? JSON.stringify(document, undefined, 4));
    return undefined;
  },
});
