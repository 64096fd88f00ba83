import { describeKvmTrouble } from '../../engine/hypervisors/accelerator';
import { measureKvmSpeed } from '../../engine/hypervisors/kvm-speed';
import { probeHypervisors } from '../../engine/hypervisors/select';
import type { Finding } from './finding';

/** What runs guest code here, and how fast: measured by running some. */
export async function checkHypervisors(machineProgram: string): Promise<readonly Finding[]> {
  const kvm = process.platform === 'linux' ? [describeKvm(await measureKvmSpeed(machineProgram))] : [];
  const probes = await probeHypervisors('auto', machineProgram);
  const anyUsable = probes.some(({ result }) => result.usable);
  const engines = probes.map(({ name, result }): Finding => {
    const subject = `engine ${name}`;
    if (result.usable) return { subject, level: 'ok', text: result.summary };
    // One engine is enough.
    const level = anyUsable ? 'warn' : 'fail';
    if (kvm.length > 0 && result.reason.startsWith('KVM: ')) return { subject, level, text: 'it needs KVM' };
    return { subject, level, ...mendIn(result.reason) };
  });
  return [...kvm, ...engines];
}

function describeKvm(finding: Awaited<ReturnType<typeof measureKvmSpeed>>): Finding {
  const trouble = describeKvmTrouble(finding);
  if (trouble !== undefined) {
    const { text, ...mend } = mendIn(`${trouble.reason.replace(/^KVM: /, '')}${trouble.mend}`);
    return {
      subject: 'KVM',
      level: 'warn',
      text: `${text}; machines are emulated, which is several times slower`,
      ...mend,
    };
  }
  const mips = finding.kind === 'runs' ? Math.round(finding.instructionsPerSecond / 1e6) : 0;
  return { subject: 'KVM', level: 'ok', text: `runs ${mips} million instructions per second` };
}

/** Reasons quote the first command that helps. */
function mendIn(text: string): Pick<Finding, 'text' | 'mend'> {
  const mend = /"([a-z][^"]+)"/.exec(text)?.[1];
  return mend === undefined ? { text } : { text, mend };
}
