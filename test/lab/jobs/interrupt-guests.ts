// Runs in the lab: every guest that looks at interrupt controllers and timers, on KVM as real hardware has it. Prints a
// line of JSON for each.
//
//   node interrupt-guests.cjs
import { APIC_TIMER_GUESTS } from '../../contract/vmm/fixtures/apic-timer';
import { CLOCK_GUESTS } from '../../contract/vmm/fixtures/clocks';
import { IO_APIC_GUESTS } from '../../contract/vmm/fixtures/io-apic';
import { LOCAL_APIC_GUESTS } from '../../contract/vmm/fixtures/local-apic';
import { PIC_GUESTS } from '../../contract/vmm/fixtures/pic';
import { PIT_GUESTS } from '../../contract/vmm/fixtures/pit';
import { RTC_GUESTS } from '../../contract/vmm/fixtures/rtc';
import { GuestBench } from '../../support/vmm/board';

const GUESTS = [
  ...[...LOCAL_APIC_GUESTS, ...IO_APIC_GUESTS, ...PIC_GUESTS],
  ...[...APIC_TIMER_GUESTS, ...PIT_GUESTS, ...RTC_GUESTS, ...CLOCK_GUESTS],
];

async function main(): Promise<void> {
  const bench = new GuestBench();
  await bench.open();
  for (const { name, run } of GUESTS) {
    const wrong = await run(bench).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    process.stdout.write(`${JSON.stringify({ name, wrong })}\n`);
  }
  await bench.close();
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  // A machine that failed here would keep this process for ever.
  process.exit(1);
});
