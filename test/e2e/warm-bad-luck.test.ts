import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listImages } from '../../engine/warm/warm-cache';
import { guestClock } from '../support/guest-clock';
import { mountSmallDisk, whyNoMounts } from '../support/host';
import { ISO, listeningOn, missingForMachines, processesNaming, Store } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import type { Outcome } from '../support/run';
import { tampered, writeTamperedQemu } from '../support/tampered-qemu';
import { until } from '../support/until';

// What befalls machines that are restored, and images while they are made. All go on from one image of a cache of the
// test's own, under a QEMU that can be told to spoil a copy (support/tampered-qemu.ts).
const HYPERKIT = path.join(PROJECT, 'dist/bin/hyperkit');
const DAY_MS = 24 * 60 * 60 * 1000;

jest.setTimeout(900_000);

/** What a machine says that no other may say, and that stays when it boots again. */
const LASTING = [
  'hostname',
  'cat /etc/machine-id',
  'docker info -f "{{.ID}}"',
  'cat /sys/class/net/eth0/address',
  'sudo ssh-keygen -lf /var/lib/boot2docker/ssh/ssh_host_ed25519_key.pub | cut -d" " -f2',
];

describeWith('a warm start with bad luck', [...missingForMachines()], () => {
  let base = '';
  let kept = '';
  let cache = '';
  let key = '';
  /** A machine whose processes were killed before it was one of its own. */
  let unfinished: string | undefined;
  let store: Store;

  beforeAll(() => {
    base = mkdtempSync(path.join(os.tmpdir(), 'hk-warm-luck-'));
    kept = path.join(base, 'kept');
    cache = path.join(base, 'docker-machine-driver-hyperkit', 'warm');
    const environment = {
      XDG_CACHE_HOME: base,
      HYPERKIT_QEMU: writeTamperedQemu(base),
      HYPERKIT_WARM_CACHE_MB: '4000',
      HYPERKIT_BOOT2DOCKER_URL: ISO,
      HYPERKIT_ENGINE: 'qemu',
      HYPERKIT_DISK_SIZE: '4000',
      HYPERKIT_WARM: 'require',
    };
    store = new Store(HYPERKIT, environment, base);
  });
  afterAll(async () => {
    await store.dispose();
    await nothingRuns();
    rmSync(base, { recursive: true });
  });

  const nothingRuns = async (): Promise<void> => {
    const running = (): readonly string[] => processesNaming(base);
    await until('nothing of the test runs', () => running().length === 0, 60_000, running);
  };
  const create = (name: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
    store.machine(['create', '--debug', name], { deadlineMs: 400_000, env });
  const lasting = async (name: string): Promise<readonly string[]> =>
    (await store.succeed(['ssh', name, LASTING.join(' && ')])).split('\n').map((line) => line.trim());
  const bootId = (name: string): Promise<string> => store.succeed(['ssh', name, 'cat /proc/sys/kernel/random/boot_id']);
  const mark = (name: string): string => path.join(store.folder(name), 'hyperkit.cloning');
  const disk = (name: string): string => path.join(store.folder(name), `${name}.rawdisk`);
  const inCache = (): readonly string[] =>
    readdirSync(cache)
      .filter((name) => name.startsWith(key))
      .sort();
  const tell = (text: string): unknown => process.stderr.write(`warm: ${text}\n`);

  /** The image as it was made, with no failure on record. */
  const putBack = (): void => {
    for (const name of inCache()) rmSync(path.join(cache, name), { recursive: true });
    execFileSync('cp', ['-al', path.join(kept, key), cache]);
  };
  /** Clients, machine process and QEMU of a machine. */
  const processesOf = (name: string): readonly string[] =>
    store.processes().filter((line) => new RegExp(`[ =]${name}(,| |$)`).test(line));
  const pidOf = (name: string, sign: string): number | undefined => {
    const found = processesOf(name).find((line) => line.includes(sign));
    return found === undefined ? undefined : Number.parseInt(found, 10);
  };
  /** Names of the image's files that a process has open. */
  const openInCache = (pid: number): readonly string[] =>
    readdirSync(`/proc/${pid}/fd`)
      .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      .filter((file) => file.startsWith(cache))
      .map((file) => path.basename(file).replace(' (deleted)', ''));
  const hasEnded = async (name: string, deadlineMs: number): Promise<void> => {
    const running = (): readonly string[] => processesOf(name);
    await until(`nothing of ${name} runs`, () => running().length === 0, deadlineMs, running);
  };
  const logOf = (name: string): string => {
    const file = path.join(store.folder(name), 'hyperkit.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  /** A machine that was not made has left nothing that runs, listens, or could be taken for its disk. */
  const expectNoTrace = async (name: string): Promise<void> => {
    await hasEnded(name, 5_000);
    expect(listeningOn(store.address(name))).toEqual([]);
    expect([existsSync(disk(name)), existsSync(mark(name))]).toEqual([false, false]);
  };
  const expectRightClock = async (name: string): Promise<void> => {
    const { offMs, tookMs } = await guestClock(store, name);
    tell(`clock of ${name} ${offMs.toFixed(1)} ms off (±${(tookMs / 2).toFixed(1)})`);
    expect(Math.abs(offMs)).toBeLessThan(50 + tookMs / 2);
  };
  const remove = async (...names: readonly string[]): Promise<void> => {
    const there = names.filter((name) => store.machines().includes(name));
    if (there.length > 0) await store.machine(['rm', '-f', '-y', ...there]);
    for (const name of there) rmSync(store.folder(name), { recursive: true, force: true });
  };

  test('the maker is killed: its guest ends, and the next one begins anew', async () => {
    const making = store.machine(['image', 'warm']);
    const qemu = (): boolean => processesNaming(base).some((line) => line.includes('qemu-system'));
    await until('its guest boots', qemu, 60_000);
    await sleep(3_000);
    const [maker = ''] = processesNaming(base).filter((line) => line.includes('hyperkit: warm image'));
    process.kill(Number.parseInt(maker, 10), 'SIGKILL');
    const outcome = await making;
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('its process ended without a word');
    await nothingRuns();
    expect(readdirSync(cache).filter((name) => name.endsWith('.draft'))).toHaveLength(1);
    expect((await store.machine(['doctor'])).output).toContain('1 folder of processes that are gone');
  });

  test('two creates at once make one image; the clock was a day ahead then, and the answers come late', async () => {
    const tomorrow = new Date(Date.now() + DAY_MS).toISOString().slice(0, 19);
    const ahead = { TAMPER_TEMPLATE_RTC: tomorrow };
    const outcomes = await Promise.all([
      create('one', ahead),
      create('two', { ...ahead, ...tampered({ channel: 'slow' }) }),
    ]);
    for (const outcome of outcomes) {
      expect(outcome.output).toContain('Restored from a warm image in');
      expect(outcome.code).toBe(0);
    }
    const images = await listImages(cache);
    expect(images).toHaveLength(1);
    key = images[0]?.key ?? '';
    expect(readdirSync(cache).filter((name) => /draft|gone|strike|unfit/.test(name))).toEqual([]);
    mkdirSync(kept);
    execFileSync('cp', ['-al', path.join(cache, key), kept]);
    const [one, two] = [await lasting('one'), await lasting('two')];
    for (const [index, fact] of one.entries()) expect([LASTING[index], fact]).not.toEqual([LASTING[index], two[index]]);
    await expectRightClock('one');
    await expectRightClock('two');
    const slept = Number(await store.succeed(['ssh', 'one', 't=$(date +%s%N); sleep 1; echo $(($(date +%s%N) - t))']));
    expect(slept / 1e9).toBeGreaterThanOrEqual(1);
    expect(slept / 1e9).toBeLessThan(5);
    await remove('two');
  });

  test('the image of a machine that runs is removed: it is suspended, resumed, and booted as who it was', async () => {
    const before = { facts: await lasting('one'), boot: await bootId('one') };
    await store.succeed(['image', 'rm', key]);
    expect(inCache()).toEqual([]);
    const held = ['guest=one,', 'hyperkit: one'].map((sign) => openInCache(pidOf('one', sign) ?? 0));
    expect(held).toEqual([['memory'], []]);
    await store.succeed(['ssh', 'one', 'sudo touch /mnt/vda1/kept && sha256sum /usr/bin/docker']);
    await store.succeed(['suspend', 'one']);
    expect(await store.succeed(['status', 'one'])).toBe('Saved');
    await store.succeed(['resume', 'one']);
    expect(await lasting('one')).toEqual(before.facts);
    expect(await bootId('one')).toBe(before.boot);
    await store.succeed(['ssh', 'one', 'docker network create net-of-mine']);
    await store.succeed(['restart', 'one']);
    expect(await lasting('one')).toEqual(before.facts);
    expect(await bootId('one')).not.toBe(before.boot);
    await store.succeed(['ssh', 'one', 'test -e /mnt/vda1/kept && docker network inspect net-of-mine >/dev/null']);
    await remove('one');
    putBack();
  });

  test('a guest that does not become another is not handed out, and three times in a row its image goes', async () => {
    const said = await Promise.all([
      create('cut', tampered({ channel: 'cut' })),
      create('garbled', tampered({ channel: 'garbled' })),
    ]);
    for (const { code, output } of said) {
      expect(output).toMatch(/cannot start machine "\w+" from a warm image: cannot restore machine/);
      expect(output).toContain('--hyperkit-warm=auto boots it instead');
      expect(code).not.toBe(0);
    }
    for (const name of ['cut', 'garbled']) await expectNoTrace(name);
    expect(inCache()).toEqual([key, `${key}.strike-1`]);

    // These hang, each until somebody's patience ends; one may boot then.
    const [deaf, mute, standing, halted] = await Promise.all([
      create('deaf', tampered({ channel: 'deaf' })),
      create('mute', tampered({ channel: 'mute' })),
      create('standing', tampered({ standsFromTheStart: true })),
      create('halted', { ...tampered({ run: 'kill -STOP $QEMU' }), HYPERKIT_WARM: 'auto' }),
    ]);
    for (const outcome of [deaf, mute, standing]) {
      expect(outcome?.output).toMatch(/it took too long, more than 40 s|did not answer|within \d+ s/);
      expect(outcome?.code).not.toBe(0);
    }
    for (const name of ['deaf', 'mute', 'standing']) await expectNoTrace(name);
    expect(halted?.output).toMatch(/It could not go on from the warm image and is booted instead: cannot restore/);
    expect(halted?.code).toBe(0);
    expect(await store.succeed(['ssh', 'halted', 'hostname'])).toBe('halted');
    expect(existsSync(mark('halted'))).toBe(false);
    expect(inCache()).toEqual([key, `${key}.strike-1`, `${key}.strike-2`]);

    const last = await create('last', tampered({ channel: 'cut' }));
    expect(last.output).toContain('The warm image was removed: it failed 3 times in a row');
    expect(inCache()).toContain(`${key}.unfit`);
    expect(inCache()).not.toContain(key);
    await remove('cut', 'garbled', 'deaf', 'mute', 'standing', 'halted', 'last');
    putBack();
  });

  test('memory that rotted where nobody looks kills the copy; the image is found damaged and goes', async () => {
    rmSync(path.join(cache, key), { recursive: true });
    execFileSync('cp', ['-a', '--sparse=always', path.join(kept, key), cache]);
    const file = path.join(cache, key, 'memory');
    const { size } = statSync(file);
    const memory = await open(file, 'r+');
    // The kernel's code, which every guest runs first.
    await memory.write(Buffer.alloc(48 << 20, 0xff), 0, 48 << 20, 16 << 20);
    await memory.close();
    execFileSync('touch', ['-r', path.join(kept, key, 'memory'), file]);
    expect(statSync(file).size).toBe(size);
    expect((await store.machine(['doctor'])).output).toContain(`${key} cannot be used: memory is damaged`);
    const outcome = await create('rotten');
    expect(outcome.output).toContain('The warm image was removed: memory is damaged');
    expect(outcome.output).toMatch(/cannot start machine "rotten" from a warm image: cannot restore machine/);
    expect(outcome.code).not.toBe(0);
    await expectNoTrace('rotten');
    expect(inCache()).toEqual([]);
    await remove('rotten');
    putBack();
  });

  test('a host that has next to no time for a machine: its Docker port outlives that', async () => {
    const abort = new AbortController();
    let throttling: Promise<void> | undefined;
    const outcome = await store.machine(['create', '--debug', 'slow'], {
      deadlineMs: 400_000,
      heard: (text) => {
        if (text.includes('Checking connection')) throttling ??= throttle(pidOf('slow', 'guest=slow,'), abort.signal);
      },
    });
    abort.abort();
    await throttling;
    expect(throttling).toBeDefined();
    expect([outcome.code, outcome.output]).toEqual([0, expect.stringContaining('Restored from a warm image in')]);
    expect(await store.succeed(['version', 'slow'])).toMatch(/^\d+\.\d+/);
    await remove('slow');
  });

  test('the image goes while a copy of it is made: that one goes on', async () => {
    const rm = `'${HYPERKIT}' image rm ${key}`;
    const outcome = await create('late', tampered({ run: rm }));
    expect(outcome.output).toContain('Restored from a warm image in');
    expect(outcome.code).toBe(0);
    expect(inCache()).toEqual([]);
    await store.succeed(['ssh', 'late', 'sha256sum /usr/bin/docker && docker info']);
    await remove('late');
    putBack();
  });

  const noMounts = whyNoMounts();
  if (noMounts !== undefined) process.stderr.write(`SKIPPED a full disk under a copy: ${noMounts}\n`);
  (noMounts === undefined ? test : test.skip)(
    'a full disk is told as that, and not held against the image',
    async () => {
      const small = mountSmallDisk(Math.ceil((statSync(ISO).size / 1024 / 1024) * 2) + 350);
      const crowded = new Store(HYPERKIT, store.extraEnv, small.path);
      const ballast = path.join(small.path, 'ballast');
      const fill = `fallocate -l $(($(df --output=avail -k '${small.path}' | tail -n 1) - 16))KiB '${ballast}'`;
      try {
        const programs = mkdtempSync(path.join(base, 'bin-'));
        writeFileSync(path.join(programs, 'cp'), `#!/bin/sh\n${fill}\nexec /bin/cp "$@"\n`, { mode: 0o755 });
        const PATH = `${programs}:${crowded.env['PATH']}`;
        const uncopied = await crowded.machine(['create', 'uncopied'], { env: { PATH } });
        expect(uncopied.output).toMatch(/cannot copy disk .*No space left on device/);
        rmSync(ballast);
        const unwritten = await crowded.machine(['create', 'unwritten'], { env: tampered({ run: fill }) });
        expect(unwritten.output).toMatch(/cannot restore machine "unwritten" .*the disk of this computer is full/);
        expect(unwritten.seconds).toBeLessThan(40);
        for (const name of ['uncopied', 'unwritten']) {
          expect(readdirSync(crowded.folder(name)).filter((it) => /rawdisk|cloning/.test(it))).toEqual([]);
        }
        await crowded.becomesQuiet();
        expect(inCache()).toEqual([key]);
      } finally {
        rmSync(ballast, { force: true });
        await crowded.dispose();
        small.unmount();
      }
    },
  );

  test('kill -9 of its processes, spread over the restore: nothing runs, and no disk is another machine’s', async () => {
    const victims = ['machine process', 'QEMU', 'client'] as const;
    for (let at = 0; at < 10; at++) {
      const name = `struck-${at}`;
      const victim = victims[at % 3] ?? 'QEMU';
      await createAndStrike(name, [victim], 'Restoring the virtual machine', at * 160);
      // A client that was killed has left a machine that runs, or none.
      const status = (await store.machine(['status', name])).stdout.trim();
      if (status === 'Running') await store.succeed(['kill', name]);
      await hasEnded(name, 20_000);
      expect(listeningOn(store.address(name))).toEqual([]);
      const left = existsSync(mark(name)) ? 'an unfinished disk' : existsSync(disk(name)) ? 'its own disk' : 'no disk';
      if (left === 'its own disk') expect(logOf(name)).toContain('restored from');
      tell(`${victim} killed after ${at * 160} ms: ${left}`);
      if (left === 'an unfinished disk' && unfinished === undefined) unfinished = name;
      else await remove(name);
      putBack();
    }
  });

  test('power cuts in the first seconds of a machine’s own life: it boots as who it was, and its user gets in', async () => {
    const names = ['early', 'later'];
    for (const [index, name] of names.entries()) {
      await createAndStrike(name, ['client', 'machine process', 'QEMU'], 'Restoring the virtual machine', () =>
        until('its disk is its own', () => /restored from/.test(logOf(name)) && sleep(index * 800, true), 60_000),
      );
    }
    if (unfinished !== undefined) names.push(unfinished);
    await create('finished');
    for (const sign of ['hyperkit: finished', 'guest=finished,']) {
      const pid = pidOf('finished', sign);
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    }
    await hasEnded('finished', 5_000);
    await Promise.all([
      store.succeed(['start', 'finished'], { deadlineMs: 300_000 }),
      // These have no certificates yet.
      store.machine(['start', ...names], { deadlineMs: 300_000 }),
    ]);
    names.push('finished');
    const seen = new Set<string>();
    for (const name of names) {
      expect(existsSync(mark(name))).toBe(false);
      if (name !== unfinished) {
        const told = /restored from .*machine-id (\w+)/.exec(logOf(name))?.[1];
        expect([name, await store.succeed(['ssh', name, 'cat /etc/machine-id'])]).toEqual([name, told]);
      }
      for (const fact of await lasting(name)) {
        expect([fact, seen.has(fact)]).toEqual([fact, false]);
        seen.add(fact);
      }
    }
    await remove(...names);
  });

  /** Creates a machine and kills processes of it some time after it said something. */
  async function createAndStrike(
    name: string,
    victims: readonly ('machine process' | 'QEMU' | 'client')[],
    moment: string,
    wait: number | (() => Promise<unknown>),
  ): Promise<void> {
    let client = 0;
    let heard = '';
    let strike: Promise<void> | undefined;
    let isOver = false;
    const victimPid = (victim: string): number | undefined => {
      if (victim === 'client') return client;
      return pidOf(name, victim === 'QEMU' ? `guest=${name},` : `hyperkit: ${name}`);
    };
    const kill = async (victim: string): Promise<void> => {
      let pid = victimPid(victim);
      for (; pid === undefined && !isOver; pid = victimPid(victim)) await sleep(5);
      try {
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    const hit = async (): Promise<void> => {
      await (typeof wait === 'number' ? sleep(wait) : wait());
      for (const victim of victims) await kill(victim);
    };
    await store.machine(['create', name], {
      deadlineMs: 200_000,
      started: ({ pid = 0 }) => {
        client = pid;
      },
      heard: (text) => {
        heard += text;
        if (heard.includes(moment)) strike ??= hit();
      },
    });
    isOver = true;
    expect(heard).toContain(moment);
    await strike;
  }
});

const THROTTLE_MS = 15_000;
const SHARE = { running: 2, halted: 198 } as const;

/** Lets a process run for a hundredth of the time, as a host does that is busy with others. */
async function throttle(pid: number | undefined, signal: AbortSignal): Promise<void> {
  if (pid === undefined) throw new Error('there is no such process');
  for (const end = Date.now() + THROTTLE_MS; Date.now() < end && !signal.aborted; ) {
    process.kill(pid, 'SIGSTOP');
    await sleep(SHARE.halted);
    process.kill(pid, 'SIGCONT');
    await sleep(SHARE.running);
  }
}
