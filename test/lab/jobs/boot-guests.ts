// Runs in the lab: boots stock kernels on the native VMM, in several ways, and prints what came of each as a line of JSON.
//
//   node boot-guests.cjs FOLDER-OF-GUESTS SCENARIO...
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { BoardSpec } from '../../../engine/spec/board-spec';
import type { RunningBoard } from '../../../engine/vmm/board/board-attachments';
import { startBoard } from '../../../engine/vmm/board/start-board';
import { boardSpec, Heard } from '../../support/vmm/board';

const [guests = '', ...wanted] = process.argv.slice(2);
const MIB = 1024 * 1024;

interface Started {
  readonly board: RunningBoard;
  readonly heard: Heard;
}

async function boot(
  kind: 'cloud' | 'generic',
  words: string,
  change: Partial<BoardSpec> = {},
  cards: readonly Heard[] = [],
): Promise<Started> {
  const heard = new Heard();
  const firmware = {
    kind: 'kexec',
    kernel: path.join(guests, `${kind}-bzimage`),
    initrd: path.join(guests, `${kind}-initramfs`),
    commandLine: `console=ttyS0 quiet panic=-1 pci=noearly ${words}`,
  } as const;
  const spec = boardSpec(firmware, { memoryBytes: 384 * MIB, acpi: true, ...change });
  const board = await startBoard(spec, {
    com1: {
      write: (bytes) => {
        process.stderr.write(bytes);
        heard.write(bytes);
      },
    },
    com2: undefined,
    cards,
    nics: [],
    log: (line) => process.stderr.write(`board: ${line}\n`),
  });
  return { board, heard };
}

const script = (text: string): string => `hk.modules=none hk.run=sh:${Buffer.from(text).toString('base64')}`;

/** A guest that has not come further by then is told apart from one that is slow. */
const STEP_MS = 240_000;

/**
 * Waits for a step of a machine's life. Fails when the machine ends before it, unless that is the step, and when it takes
 * too long; then it tells whether the CPUs still run and still listen.
 */
async function step<T>({ board, heard }: Started, what: string, event: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const before = JSON.stringify(board.exitCounts());
      setTimeout(() => {
        const after = JSON.stringify(board.exitCounts());
        const said = JSON.stringify(heard.text.slice(-300));
        const fail = (listens: string): void =>
          reject(new Error(`no ${what} in ${STEP_MS} ms; exits ${before}, then ${after}; ${listens}; it said ${said}`));
        const deaf = setTimeout(() => fail('its CPUs do not stop'), 5000);
        void board.pause().then(() => {
          clearTimeout(deaf);
          fail('its CPUs stop when they are told to');
        });
      }, 2000);
    }, STEP_MS);
  });
  const ended = board.exited.then(({ kind }) => {
    throw new Error(`the machine ended by ${kind} before its ${what}`);
  });
  try {
    return await Promise.race([event, ended, late]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => undefined);
    late.catch(() => undefined);
  }
}

async function toItsEnd(started: Started): Promise<Record<string, unknown>> {
  const { board, heard } = started;
  const exit = await step(started, 'end', board.exited);
  if (heard.text.includes('Kernel panic')) throw new Error(`the guest's kernel panicked, and ended by ${exit.kind}`);
  const lines = heard.text.split(/\r?\n/).filter((line) => /^(INIT|HK|BUTTON|SAID)/.test(line));
  return { exit, lines, exits: board.exitCounts() };
}

/** For a machine that stands still: nothing is to be seen however long one looks. */
const aMoment = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 2000));

const scenarios: Record<string, () => Promise<Record<string, unknown>>> = {
  cloud: async () =>
    await toItsEnd(
      await boot(
        'cloud',
        script('echo SAID $(grep -c ^processor /proc/cpuinfo) $(cat /sys/class/dmi/id/product_name)'),
      ),
    ),

  'generic, 2 CPUs, reboot': async () => {
    const words = script('echo SAID $(grep -c ^processor /proc/cpuinfo)');
    return await toItsEnd(await boot('generic', `${words} hk.then=reboot`, { vcpus: 2 }));
  },

  'power button': async () => {
    const started = await boot('cloud', 'hk.run=await_button', { vcpus: 2 });
    await step(started, 'line BUTTON-AWAITED', started.heard.until('BUTTON-AWAITED'));
    const heardIt = started.board.acpiEnabled;
    started.board.powerButton();
    return { heardIt, ...(await toItsEnd(started)) };
  },

  'a console over virtio': async () => {
    const hvc = new Heard();
    const text = 'exec 3<>/dev/hvc0; echo HVC-READY; read line <&3; echo "$line to you" >&3; sleep 1';
    const words = `hk.run=sh:${Buffer.from(text).toString('base64')}`;
    const unconnected = { terminal: undefined, ringPath: undefined, systemLog: false };
    const slots: BoardSpec['slots'] = [
      ...boardSpec({ kind: 'bootrom', image: '' }).slots,
      { slot: 1, func: 0, device: { kind: 'virtio-console', serial: unconnected } },
    ];
    const started = await boot('cloud', words, { slots }, [hvc]);
    await step(started, 'line HVC-READY', started.heard.until('HVC-READY'));
    started.board.typeIn(0, Buffer.from('hello\n'));
    return { ...(await toItsEnd(started)), hvc: hvc.text };
  },

  'without ACPI, by the MP table': async () => {
    const words = script('echo SAID $(grep -c ^processor /proc/cpuinfo)');
    return await toItsEnd(
      await boot('generic', `${words} reboot=k hk.then=reboot`, { vcpus: 2, acpi: false, mpTable: true }),
    );
  },

  'pause, resume, kill': async () => {
    const started = await boot('generic', script('while :; do echo tick; sleep 0.2; done'), { vcpus: 2 });
    const { board, heard } = started;
    const exits = (): string => JSON.stringify(board.exitCounts());
    await step(started, 'first tick', heard.until('tick'));
    await step(started, 'pause', board.pause());
    const before = exits();
    await aMoment();
    // What the guest said before the pause is here by now.
    const said = heard.text;
    await aMoment();
    const still = heard.text === said && exits() === before;
    const more = heard.untilMore();
    await step(started, 'going on', board.resume());
    await step(started, 'tick after the pause', more);
    void board.kill();
    const exit = await step(started, 'end by kill', board.exited);
    return { still, goneOn: heard.text.length > said.length, exit };
  },

  '32-bit entry': async () => {
    // The kernel as one that doesn't know its 64-bit entry.
    const kernel = '/tmp/old-kernel';
    const bytes = readFileSync(path.join(guests, 'cloud-bzimage'));
    bytes[0x236] = 0;
    writeFileSync(kernel, bytes);
    const initrd = path.join(guests, 'cloud-initramfs');
    const commandLine = `console=ttyS0 quiet panic=-1 pci=noearly ${script('echo SAID $(uname -m)')}`;
    return await toItsEnd(await boot('cloud', '', { firmware: { kind: 'kexec', kernel, initrd, commandLine } }));
  },
};

async function main(): Promise<void> {
  for (const name of wanted) {
    const begun = performance.now();
    const outcome = await scenarios[name]?.();
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    process.stdout.write(`${JSON.stringify({ name, seconds, ...outcome })}\n`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  // Its CPUs' threads would keep a machine that failed here for ever.
  process.exit(1);
});
