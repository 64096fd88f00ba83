import { defineCommand } from '../command';

export const ls = defineCommand({
  usage: '[options]',
  describe: 'Lists machines.',
  options: {},
  async run(_args, { store, output }) {
    for (const name of store.list()) output.print(name);
    return undefined;
  },
});
