import { PROBE_WORD } from '../hypervisors/kvm-speed';
import { MAKE_WARM_WORD } from '../warm/maker-words';

/*
 * dist/hyperkit-machine.cjs STATE_DIR    runs the machine of that folder until it ends (see run-machine.ts)
 * dist/hyperkit-machine.cjs --probe-kvm  measures KVM and prints the finding (see native/kvm-probe.ts)
 * dist/hyperkit-machine.cjs make-warm    makes a warm image (see engine/warm/run-maker.ts)
 */
async function main(): Promise<number> {
  const [, program = '', word] = process.argv;
  if (word === PROBE_WORD) {
    const { measureKvm } = await import('../../native/kvm-probe');
    process.stdout.write(JSON.stringify(measureKvm()));
    return 0;
  }
  if (word === MAKE_WARM_WORD) {
    const { runMaker } = await import('../warm/run-maker');
    return await runMaker(program);
  }
  if (word === undefined) {
    process.stderr.write('usage: hyperkit-machine STATE_DIR (started by the driver and by hyperkit, not by hand)\n');
    return 64;
  }
  const { runMachine } = await import('./run-machine');
  return await runMachine(word, program);
}

// A defect in this process must not leave a virtual machine behind: its children end with it (see parent-death.ts and leftovers.ts).
main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
