import path from 'node:path';
import { Store } from '../test/support/machines';
import { buildPeer } from '../test/support/peers';
import { run } from '../test/support/run';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 3;
const DEADLINE_MS = 600_000;
const BOOT = 'boot to SSH';
const GUEST_DOCKER = 'of which the guest waits for its first Docker';
const SIZE = ['--hyperkit-cpu-count', '2'];

/** A line of a client's output that begins a phase. */
type Mark = readonly [phase: string, line: string];

/** Both start with the driver's lines, whose last one is told when the virtual machine has power. */
const DRIVER_MARKS: readonly Mark[] = [
  ['checks', 'pre-create checks'],
  ['files', 'Creating SSH key'],
  [BOOT, 'Booting the virtual machine'],
];
const MARKS = {
  ours: [...DRIVER_MARKS, ['provision', 'Setting up Docker'], ['verify', 'Checking connection']],
  'docker-machine': [
    ...DRIVER_MARKS,
    ['detect', 'Waiting for machine to be running'],
    ['provision', 'Provisioning with boot2docker'],
    ['verify', 'Checking connection'],
  ],
} as const satisfies Readonly<Record<string, readonly Mark[]>>;

/** From the guest's own record of its boot: SSH server up, and its Docker up for the first time; seconds since power-on. */
const GUEST_RECORD = 'cat /run/boot.log';

/**
 * `hyperkit create` against `docker-machine create` with the same driver, ISO and engine, in turns. The figure is
 * everything but the boot, which both have to wait for: until the guest's SSH server greets, and from then on until its
 * own boot has Docker up for the first time, as the guest records it.
 */
export async function measure(): Promise<Measurement> {
  const client = buildPeer('docker-machine');
  if (!client.available) throw new Error(`cannot measure create: ${client.reason}`);
  const hyperkit = path.resolve('dist/hyperkit.cjs');
  const runs = {
    ours: [] as Record<string, number>[],
    'docker-machine': [] as Record<string, number>[],
  };
  for (let round = 0; round < ROUNDS; round++) {
    runs.ours.push(await create([process.execPath, hyperkit, 'create'], MARKS.ours, client.path));
    runs['docker-machine'].push(
      await create([client.path, 'create', '-d', 'hyperkit'], MARKS['docker-machine'], client.path),
    );
  }
  const withoutBoot = (phases: Record<string, number>): number =>
    (phases['total'] ?? 0) - (phases[BOOT] ?? 0) - (phases[GUEST_DOCKER] ?? 0);
  const middle = (name: keyof typeof runs): number => round2(median(runs[name].map(withoutBoot)));
  return compare({
    name: 'cli-create',
    unit: 's without the boot',
    better: 'lower',
    ours: middle('ours'),
    peers: { 'docker-machine': middle('docker-machine') },
    details: { rounds: ROUNDS, phasesSeconds: runs },
  });
}

/** One machine in a new store: seconds of each phase, by the time its line is heard. */
async function create(
  command: readonly string[],
  marks: readonly Mark[],
  client: string,
): Promise<Record<string, number>> {
  const store = new Store(client, { HYPERKIT_WARM: 'never' });
  const [program = '', ...args] = command;
  const begun = new Map<string, number>([['start', performance.now()]]);
  let said = '';
  try {
    const { code, output } = await run(program, [...args, ...SIZE, 'bench'], {
      env: store.env,
      deadlineMs: DEADLINE_MS,
      heard: (text) => {
        said += text;
        for (const [phase, line] of marks) {
          if (!begun.has(phase) && said.includes(line)) begun.set(phase, performance.now());
        }
      },
    });
    const end = performance.now();
    const missing = marks.find(([phase]) => !begun.has(phase));
    if (code !== 0 || missing !== undefined)
      throw new Error(`${command.join(' ')}: exit ${code}, no ${missing?.[1]}\n${output}`);
    const starts = [...begun].sort(([, left], [, right]) => left - right);
    const phases = starts.map(([phase, from], index) => [
      phase,
      round2(((starts[index + 1]?.[1] ?? end) - from) / 1000),
    ]);
    const record = await store.succeed(['ssh', 'bench', GUEST_RECORD]);
    const stamp = (event: string): number => Number(new RegExp(`^([\\d.]+) ${event}$`, 'm').exec(record)?.[1]);
    const guestDocker = round2(stamp('docker started') - stamp('sshd started'));
    return {
      ...Object.fromEntries(phases),
      [GUEST_DOCKER]: guestDocker,
      total: round2((end - (begun.get('start') ?? end)) / 1000),
    };
  } finally {
    await store.dispose();
  }
}

function round2(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
