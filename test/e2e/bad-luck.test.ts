import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BUSYBOX, listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';
import { until } from '../support/until';

// What befalls a machine that exists: its processes are killed, the host goes down. The tests share one machine, which
// two creates of the same name fought for.
const peer = buildPeer('docker-machine');
const NAME = 'twin';

describeWith(
  'a machine with bad luck',
  [
    ...missingForMachines(),
    peer.available ? undefined : peer.reason,
    existsSync(BUSYBOX) ? undefined : `no test image at ${BUSYBOX} (image/busybox-image makes it)`,
  ],
  () => {
    jest.setTimeout(600_000);
    const store = new Store(peer.available ? peer.path : '');
    const file = (name: string): string => path.join(store.folder(NAME), name);
    const inGuest = (command: string): Promise<string> => store.succeed(['ssh', NAME, command]);
    let address = '';

    /** The one process of the machine that is of this kind. */
    const pidOf = (kind: 'qemu-system' | `hyperkit: ${string}`): number => {
      const found = store.processes().filter((line) => line.split(' ').slice(1).join(' ').includes(kind));
      expect(found).toHaveLength(1);
      return Number.parseInt(found[0] ?? '', 10);
    };

    /** Ends a process of the machine the hard way; soon after nothing of the machine is left, and clients know. */
    const killHard = async (pid: number): Promise<void> => {
      process.kill(pid, 'SIGKILL');
      await store.becomesQuiet(5_000);
      // A process that is ending loses its name before its sockets.
      await until('its ports are free', () => listeningOn(address).length === 0, 5_000);
      expect(await store.succeed(['status', NAME])).toBe('Stopped');
      expect(await store.succeed(['ls', '-f', '{{.Name}} {{.State}} {{.Error}}'])).toBe(`${NAME} Stopped`);
      expect((await store.machine(['ip', NAME])).output).toContain('Host is not running');
    };

    /** Starts the machine; it is where it was and has what it had. */
    const recover = async (): Promise<void> => {
      await store.succeed(['start', NAME]);
      expect(await store.succeed(['ip', NAME])).toBe(address);
      expect(await inGuest('docker run --rm -v kept:/data busybox cat /data/file')).toBe('still here');
      pidOf('qemu-system');
      pidOf(`hyperkit: ${NAME}`);
    };

    afterAll(() => store.dispose());

    test('two creates of one name at once: one wins and works, the other is told why not', async () => {
      // docker-machine makes the store's certificates with its first machine, and two at once spoil each other's.
      await store.succeed(['create', '-d', 'none', '--url', 'tcp://127.0.0.1:1', 'certificates']);
      await store.succeed(['rm', '-y', 'certificates']);
      const outcomes = await Promise.all([1, 2].map(() => store.machine(['create', '-d', 'hyperkit', NAME])));
      const [winner, loser] = [...outcomes].sort((a, b) => Number(a.code) - Number(b.code));
      expect(loser?.output).toMatch(
        /cannot work on machine "twin": "create" \(process \d+\) is working on it; wait for it to end|"twin" already exists/,
      );
      expect(loser?.code).toBe(1);
      if (winner?.code !== 0) throw new Error(winner?.output);
      expect(await store.succeed(['status', NAME])).toBe('Running');
      address = await store.succeed(['ip', NAME]);
      expect(listeningOn(address)).toContain(2376);
      pidOf('qemu-system');
      await store.succeed(['scp', BUSYBOX, `${NAME}:/tmp/busybox.tar`]);
      await inGuest('docker load -i /tmp/busybox.tar');
      await inGuest("docker run --rm -v kept:/data busybox sh -c 'echo still here >/data/file; sync'");
    });

    test('QEMU is killed: Stopped, the reason is kept, start recovers and nothing that was synced is lost', async () => {
      await killHard(pidOf('qemu-system'));
      expect(readFileSync(file('machine-state.json'), 'utf8')).toContain('QEMU was killed (SIGKILL)');
      await recover();
    });

    test('the machine process is killed: QEMU goes with it, start recovers', async () => {
      await killHard(pidOf(`hyperkit: ${NAME}`));
      await recover();
    });

    test('the host went down: what lies around of its last boot means Stopped, and start recovers', async () => {
      const running = JSON.parse(readFileSync(file('machine-state.json'), 'utf8')) as { startTime: string };
      await store.succeed(['kill', NAME]);
      // The pids of the last boot belong to other programs now, and those must live.
      const stranger = spawn('sleep', ['300'], { stdio: 'ignore' });
      const last = { pid: stranger.pid, startTime: running.startTime, bootId: '00000000-0000-4000-8000-000000000000' };
      writeFileSync(file('machine-state.json'), JSON.stringify({ ...running, ...last, children: [last] }));
      writeFileSync(file('hyperkit.pid'), String(stranger.pid));
      writeFileSync(file('hyperkit.lock'), JSON.stringify(last));
      const claims = readdirSync(store.folder(NAME)).filter((name) => name.startsWith('machine-claim.'));
      for (const claim of claims) writeFileSync(file(claim), JSON.stringify(last));
      expect(claims.length).toBeGreaterThan(0);
      writeFileSync(file('.machine-state.json.0123456789ab.draft'), '{"state":');
      try {
        expect(await store.succeed(['status', NAME])).toBe('Stopped');
        await recover();
        expect(existsSync(file('hyperkit.lock'))).toBe(false);
        expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
      } finally {
        stranger.kill('SIGKILL');
      }
    });

    test('rm leaves nothing', async () => {
      await store.succeed(['rm', '-y', NAME]);
      expect(store.machines()).toEqual([]);
      expect(listeningOn(address)).toEqual([]);
      await store.becomesQuiet();
    });
  },
);
