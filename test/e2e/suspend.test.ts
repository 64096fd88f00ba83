import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectMachine } from '../../driver/grpc/client';
import { guestClock } from '../support/guest-clock';
import { BUSYBOX, listeningOn, missingForMachines, Store, which } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { type Outcome, run } from '../support/run';
import { until } from '../support/until';

// One real machine that is suspended again and again, by `hyperkit`, and started by docker-machine.
const peer = buildPeer('docker-machine');
const NAME = 'sleepy';
/** What a saved guest of this size has at least. */
const SOME_MEMORY = 50_000_000;

describeWith(
  'a machine that is suspended',
  [
    ...missingForMachines(),
    peer.available ? undefined : peer.reason,
    existsSync(BUSYBOX) ? undefined : `no test image at ${BUSYBOX} (image/busybox-image makes it)`,
    which('prlimit') === undefined ? 'no prlimit (util-linux)' : undefined,
  ],
  () => {
    jest.setTimeout(600_000);
    const store = new Store(path.join(PROJECT, 'dist/bin/hyperkit'));
    const file = (name: string): string => path.join(store.folder(NAME), name);
    const inGuest = (command: string): Promise<string> => store.succeed(['ssh', NAME, command]);
    const dockerMachine = (...words: readonly string[]): Promise<Outcome> =>
      run(peer.available ? peer.path : '', words, { env: store.env, deadlineMs: 300_000 });
    const status = async (): Promise<string> => (await dockerMachine('status', NAME)).stdout.trim();
    const machinePid = (): number => Number(readFileSync(file('hyperkit.pid'), 'latin1'));
    const leftovers = (): string[] => readdirSync(store.folder(NAME)).filter((name) => name.includes('suspended'));
    const bootId = (): Promise<string> => inGuest('cat /proc/sys/kernel/random/boot_id');
    const tell = (text: string): unknown => process.stderr.write(`suspend: ${text}\n`);
    let address = '';

    /** What the container has counted to, by way of the port that it publishes. */
    const count = async (): Promise<number> => {
      const answer = await fetch(`http://${address}:8080/count`, { signal: AbortSignal.timeout(20_000) });
      return Number(await answer.text());
    };
    const counts = async (): Promise<number> =>
      await until('the container counts', async () => (await count().catch(() => 0)) || undefined, 60_000);

    beforeAll(async () => {
      await store.succeed(['create', '--memory-size', '768', '--disk-size', '4000', NAME]);
      address = await store.succeed(['ip', NAME]);
      await store.succeed(['scp', BUSYBOX, `${NAME}:/tmp/busybox.tar`]);
      await inGuest('docker load -i /tmp/busybox.tar');
      const counting = 'cd /tmp; httpd -p 80; i=0; while :; do i=$((i+1)); echo $i >c; mv c count; sleep 1; done';
      await inGuest(`docker run -d --restart always -p 8080:80 --name counter busybox sh -c '${counting}'`);
      await counts();
    });
    afterAll(() => store.dispose());

    test('a state that cannot be written lets the guest go on as if nothing had been', async () => {
      const limit = (bytes: string): unknown =>
        execFileSync('prlimit', ['--pid', String(machinePid()), `--fsize=${bytes}:unlimited`]);
      const before = await bootId();
      limit('20000000');
      const refused = await store.machine(['suspend', NAME]);
      limit('unlimited');
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/cannot suspend the machine: .*does not allow files that large/);
      expect(await status()).toBe('Running');
      expect(leftovers()).toEqual([]);
      const first = await counts();
      await until('it counts on', async () => (await count()) > first);
      expect(await bootId()).toBe(before);
    });

    test('docker-machine starts it where it was: containers, ports, console, clock', async () => {
      const before = { boot: await bootId(), count: await counts() };
      const suspended = await store.machine(['suspend', NAME]);
      if (suspended.code !== 0) throw new Error(suspended.output);
      expect(await status()).toBe('Saved');
      expect(await store.succeed(['ls', '-f', '{{.Name}} {{.State}} {{.Error}}'])).toBe(`${NAME} Saved`);
      expect(listeningOn(address)).toEqual([]);
      await store.becomesQuiet();
      const { size, mode } = statSync(file('suspended'));
      expect(mode & 0o777).toBe(0o600);
      expect(size).toBeGreaterThan(SOME_MEMORY);
      expect(await store.machine(['suspend', NAME])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('already suspended'),
      });
      // A clock that nobody sets would be behind by this.
      await sleep(5_000);

      const started = await dockerMachine('start', NAME);
      if (started.code !== 0) throw new Error(started.output);
      expect(started.output).toContain('Resuming the virtual machine...');
      const { offMs, tookMs } = await guestClock(store, NAME);
      tell(
        `${Math.round(size / 1e6)} MB, suspend ${suspended.seconds.toFixed(1)} s, ` +
          `docker-machine start ${started.seconds.toFixed(1)} s, clock ${offMs.toFixed(1)} ms off (±${(tookMs / 2).toFixed(1)})`,
      );
      expect(Math.abs(offMs)).toBeLessThan(50 + tookMs / 2);
      expect(await status()).toBe('Running');
      expect(leftovers()).toEqual([]);
      expect(await bootId()).toBe(before.boot);
      const after = await counts();
      expect(after).toBeGreaterThanOrEqual(before.count);
      await until('it counts on', async () => (await count()) > after);
      expect(listeningOn(address)).toEqual(expect.arrayContaining([2376, 8080]));
      expect(await inGuest('docker exec counter ping -c 1 -W 20 192.168.65.1')).toContain('1 packets received');
      await typesOnConsole();
      expect(await store.machine(['resume', NAME])).toMatchObject({ code: 0 });
    });

    test('this computer was switched off meanwhile: what lies around of its last boot stops nobody, and it goes on', async () => {
      const before = { boot: await bootId(), count: await counts() };
      await store.succeed(['suspend', NAME]);
      // The pids of the last boot belong to other programs now, and those must live.
      const stranger = spawn('sleep', ['300'], { stdio: 'ignore' });
      const state = JSON.parse(readFileSync(file('machine-state.json'), 'utf8')) as object;
      const last = { pid: stranger.pid, startTime: '1', bootId: '00000000-0000-4000-8000-000000000000' };
      writeFileSync(file('machine-state.json'), JSON.stringify({ ...state, ...last }));
      for (const claim of readdirSync(store.folder(NAME)).filter((name) => name.startsWith('machine-claim.'))) {
        writeFileSync(file(claim), JSON.stringify(last));
      }
      writeFileSync(file('hyperkit.pid'), String(stranger.pid));
      writeFileSync(file('hyperkit.lock'), JSON.stringify(last));
      const listenAndDie =
        'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
      for (const socket of ['control.sock', 'console.sock']) {
        spawnSync(process.execPath, ['-e', listenAndDie, file(socket)]);
        expect(statSync(file(socket)).isSocket()).toBe(true);
      }
      try {
        expect(await status()).toBe('Saved');
        await store.succeed(['start', NAME]);
        expect(await bootId()).toBe(before.boot);
        expect(await counts()).toBeGreaterThanOrEqual(before.count);
        expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
      } finally {
        stranger.kill('SIGKILL');
      }
    });

    test('its process is killed in the middle: it boots, with its data', async () => {
      const before = await bootId();
      await inGuest('docker run --rm -v kept:/data busybox sh -c "echo still here >/data/file"');
      const suspending = store.machine(['suspend', NAME]);
      await until('its state is being written', () => leftovers().length > 0, 60_000);
      process.kill(machinePid(), 'SIGKILL');
      expect((await suspending).code).toBe(1);
      await store.becomesQuiet();
      expect(await status()).toBe('Stopped');
      await store.succeed(['start', NAME]);
      expect(leftovers()).toEqual([]);
      expect(await bootId()).not.toBe(before);
      expect(await inGuest('docker run --rm -v kept:/data busybox cat /data/file')).toBe('still here');
    });

    test('a saved state that is cut short is refused and kept; kill drops it, and what was written is there', async () => {
      await counts();
      await inGuest('docker run --rm -v kept:/data busybox sh -c "echo later >/data/file"');
      await store.succeed(['suspend', NAME]);
      truncateSync(file('suspended'), Math.floor(statSync(file('suspended')).size / 2));
      const refused = await store.machine(['resume', NAME]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(
        new RegExp(`cannot resume machine "${NAME}": .*"hyperkit kill ${NAME}" drops what was saved`, 's'),
      );
      expect(await status()).toBe('Saved');
      await store.becomesQuiet();
      await store.succeed(['kill', NAME]);
      expect(await status()).toBe('Stopped');
      expect(leftovers()).toEqual([]);
      await store.succeed(['start', NAME]);
      expect(await inGuest('docker run --rm -v kept:/data busybox cat /data/file')).toBe('later');
      await counts();
    });

    test('a disk that was written since is not gone on with; stop resumes a machine to shut it down', async () => {
      await store.succeed(['suspend', NAME]);
      const disk = file(`${NAME}.rawdisk`);
      const { atime, mtime } = statSync(disk);
      utimesSync(disk, atime, new Date());
      expect((await store.machine(['start', NAME])).stderr).toMatch(/cannot resume machine .*: its disk 0 was/);
      utimesSync(disk, atime, mtime);
      const stopped = await dockerMachine('stop', NAME);
      if (stopped.code !== 0) throw new Error(stopped.output);
      expect(await status()).toBe('Stopped');
      expect(JSON.parse(readFileSync(file('machine-state.json'), 'utf8'))).toMatchObject({
        lastExit: { kind: 'power-off' },
      });
      expect(await store.machine(['resume', NAME])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('is stopped, not suspended'),
      });
    });

    test('rm takes what was saved with it', async () => {
      writeFileSync(file('suspended'), '');
      expect(await status()).toBe('Saved');
      await store.succeed(['rm', '-y', NAME]);
      expect(store.machines()).toEqual([]);
    });

    async function typesOnConsole(): Promise<void> {
      const machine = connectMachine(store.folder(NAME));
      let seen = '';
      async function* typing() {
        for (; !seen.includes('over-42-typed'); await sleep(1_000)) {
          yield { data: Buffer.from('echo over-$((20+22))-typed\n') };
        }
      }
      for await (const { data } of machine.control.console(typing(), { timeoutMs: 60_000 })) {
        seen += Buffer.from(data).toString('latin1');
        if (seen.includes('over-42-typed')) break;
      }
      machine.close();
    }
  },
);
