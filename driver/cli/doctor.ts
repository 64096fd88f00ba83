import path from 'node:path';
import { probeHypervisors } from '../../engine/hypervisors/select';

/** Says what can run virtual machines on this host, measured. Answers the exit status: 0 when something can. */
export async function runDoctor(programsDir: string): Promise<number> {
  const machineProgram = path.join(programsDir, 'hyperkit-machine.cjs');
  let usable = false;
  for (const { name, result } of await probeHypervisors('auto', machineProgram)) {
    usable ||= result.usable;
    process.stdout.write(result.usable ? `ok    ${name}: ${result.summary}\n` : `fail  ${name}: ${result.reason}\n`);
  }
  return usable ? 0 : 1;
}
