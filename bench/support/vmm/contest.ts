import path from 'node:path';
import { labGuests, runInLab } from '../../../test/lab/lab';
import { compare, type Measurement, median } from '../measurement';

/** What boots the same kernel and initramfs on the lab's KVM, by the names that jobs know. */
const TITLES = { ours: 'ours', q35: 'QEMU q35', microvm: 'QEMU microvm' } as const;
export type Contestant = keyof typeof TITLES;

/** Guests in the lab, one after the other: in each round every contestant has a turn, in the next in reverse order. */
export interface Contest {
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  /** The shell script that a guest runs; see test/lab/README.md for its words. */
  readonly guest: string;
  /** Shell commands in the lab before the first turn, in a folder of its own. */
  readonly prepare?: string;
  /** Options for devices beside a serial line. */
  readonly devices?: { readonly hyperkit: string; readonly qemu: string };
  /**
   * Shell commands of one turn, for {@link RUN_GUEST} or with `start`, `await`, `finish` and `figure` of {@link JOB}. They,
   * or the guest, say what they measured as lines of `FIGURE;KEY;NUMBER`.
   */
  readonly turn: string;
  readonly deadlineMs: number;
}

/** A turn in which the guest runs to its end, and says the figures. */
export const RUN_GUEST = `
(contend) >console.log 2>&1
cat console.log >&2
tr -d '\\r' <console.log | grep '^FIGURE;'
`;

/** MiB. */
export const GUEST_MEMORY = 512;

/** In the lab. $1: the project, $2: the folder of guests, $3: the guest's script; then whose turn it is. */
const job = ({ prepare = '', devices = { hyperkit: '', qemu: '' }, turn }: Contest): string => `
project=$1 guests=$2 script=$3; shift 3
cd /tmp
mkfifo console
line="console=ttyS0 quiet panic=-1 pci=noearly hk.run=sh:$script"
qemu() { # MACHINE
  exec /bench/bin/qemu-system-x86_64 -M "$1" -accel kvm -cpu host -m ${GUEST_MEMORY} -nodefaults -display none -no-reboot \\
    -serial stdio -kernel "$guests/cloud-bzimage" -initrd "$guests/cloud-initramfs" -append "$line" ${devices.qemu.replaceAll('\n', ' ')} </dev/null
}
# The shell becomes the machine of contestant $name, its console on standard output.
contend() {
  case $name in
    ours)
      export HYPERKIT_ENGINE=native
      exec node "$project/dist/hyperkit.cjs" -A -u -c 1 -m ${GUEST_MEMORY}M -s 0:0,hostbridge -s 31,lpc -l com1,stdio \\
        ${devices.hyperkit} -f "kexec,$guests/cloud-bzimage,$guests/cloud-initramfs,$line" ;;
    q35) qemu q35 ;;
    microvm) qemu microvm,pcie=on,acpi=on ;;
  esac
}
# The machine in the background: $pid, its console on descriptor 4.
start() { contend >console & pid=$!; exec 4<console; }
# Waits for the line of the console that begins with the word $1; the rest is $rest.
await() {
  while read -r word rest <&4; do [ "$word" != "$1" ] || return 0; done
  echo "$name ended before it said $1" >&2
  exit 1
}
finish() { kill -9 $pid; wait $pid; exec 4<&-; } 2>/dev/null
figure() { echo "FIGURE;$1;$2"; } # KEY NUMBER
${prepare}
turn() {
${turn}
}
for name; do turn | sed "s/^FIGURE;/FIGURE;$name;/"; done
`;

/** What was measured, several times each. */
export class Figures {
  readonly #samples = new Map<string, number[]>();

  constructor(
    private readonly contest: Contest,
    stdout: string,
    /** What else the job said, for who looks for a figure that isn't there. */
    private readonly said: string,
  ) {
    for (const line of stdout.split('\n')) {
      const [mark, who = '', key = '', number] = line.split(';');
      if (mark !== 'FIGURE') continue;
      const samples = this.#samples.get(`${who};${key}`) ?? [];
      this.#samples.set(`${who};${key}`, [...samples, Number(number)]);
    }
  }

  /** All keys, in the order in which they were first said. */
  get keys(): readonly string[] {
    return [...new Set([...this.#samples.keys()].map((name) => name.slice(name.indexOf(';') + 1)))];
  }

  /** The median. The lab may die in the middle of its last round; what was measured stays good. */
  of(who: Contestant, key: string): number {
    const samples = this.#samples.get(`${who};${key}`);
    if (samples === undefined) throw new Error(`${TITLES[who]} has no figure for "${key}": ${this.said}`);
    return Number(median(samples).toPrecision(4));
  }

  /** The geometric mean of some keys' medians. */
  mean(who: Contestant, keys: readonly string[]): number {
    const logs = keys.map((key) => Math.log(this.of(who, key)));
    return Number(Math.exp(logs.reduce((sum, one) => sum + one, 0) / logs.length).toPrecision(4));
  }

  /** For people: by key, then by contestant, medians where there are several. */
  table(keys: readonly string[] = this.keys): Readonly<Record<string, Readonly<Record<string, number>>>> {
    const row = (key: string) =>
      Object.fromEntries(
        this.contest.contestants
          .filter((who) => this.#samples.has(`${who};${key}`))
          .map((who) => [TITLES[who], this.of(who, key)]),
      );
    return Object.fromEntries(keys.map((key) => [key, row(key)]));
  }

  /** Ours against the others by the mean of `keys`, with everything that was measured as details. */
  compare(measured: Pick<Measurement, 'name' | 'unit' | 'better'>, keys: readonly string[]): Measurement {
    const others = this.contest.contestants.filter((who) => who !== 'ours');
    return compare({
      ...measured,
      ours: this.mean('ours', keys),
      peers: Object.fromEntries(others.map((who) => [TITLES[who], this.mean(who, keys)])),
      details: { rounds: this.contest.rounds, ...this.table() },
    });
  }
}

/** Has the turns taken, in one run of the lab. Everything in there is emulated: figures are good for comparison only. */
export async function runContest(contest: Contest): Promise<Figures> {
  const { folder } = labGuests();
  const order = contest.contestants;
  const turns = Array.from({ length: contest.rounds }, (_, round) => (round % 2 === 0 ? order : order.toReversed()));
  const words = [path.resolve('.'), folder, Buffer.from(contest.guest).toString('base64'), ...turns.flat()];
  const { stdout, stderr } = await runInLab({
    command: ['sh', '-c', job(contest), 'sh', ...words],
    share: [folder],
    bench: true,
    deadlineMs: contest.deadlineMs,
  });
  return new Figures(contest, stdout, stderr);
}
