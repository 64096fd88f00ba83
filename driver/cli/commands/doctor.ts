import { defineCommand } from '../command';
import { runDoctor } from '../doctor';

export const doctor = defineCommand({
  usage: '',
  describe: 'Says what can run virtual machines on this host, measured.',
  options: {},
  run: async (_args, { programsDir }) => await runDoctor(programsDir),
});
