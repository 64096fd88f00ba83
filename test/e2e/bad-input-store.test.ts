import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLikeClient, drive, refusal } from '../support/drivers';
import { makeReadOnly, mountSmallDisk, whyNoMounts } from '../support/host';
import { ISO, listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { until } from '../support/until';

// Stores that are full, locked, oddly named, or filled by others.
const peer = buildPeer('docker-machine');
const client = peer.available ? peer.path : '';
const missing = [...missingForMachines(), peer.available ? undefined : peer.reason];
const ROOT_WITHOUT_MOUNTS = process.getuid?.() === 0 ? whyNoMounts() : undefined;

/** Files that only somebody who was interrupted leaves. */
const unfinished = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(tmp|draft|part|lock)$/.test(name));

jest.setTimeout(60_000);

describeWith('a full disk', [...missing, whyNoMounts()], () => {
  const isoMiB = Math.ceil((missing.every((reason) => reason === undefined) ? statSync(ISO).size : 0) / 1024 / 1024);

  const cases = [
    ['for the cache', isoMiB * 0.7, 3, /cannot write .*cache\/boot2docker\.iso: the disk is full; free some space/],
    ["for the machine's ISO", isoMiB * 1.5, 1, /cannot write .*full\/boot2docker\.iso: the disk is full; free some/],
    ['for the data disk', isoMiB * 2 + 40, 1, /cannot create disk .*full\.rawdisk: only \d+ MB are free.*free some/],
  ] as const;
  const programs = { 'docker-machine': client, hyperkit: path.join(PROJECT, 'dist/bin/hyperkit') };
  const all = Object.entries(programs).flatMap(([name, program]) =>
    cases.map((one) => [name, ...one, program] as const),
  );

  test.each(all)('%s create: %s', async (_name, _title, sizeMiB, status, text, program) => {
    const disk = mountSmallDisk(Math.ceil(sizeMiB));
    try {
      const store = new Store(program, {}, disk.path);
      const outcome = await store.machine(['create', '-d', 'hyperkit', 'full']);
      expect(outcome.output).toMatch(text);
      expect(outcome.code).toBe(status);
      expect(unfinished(store.path)).toEqual([]);
      expect(listeningOn(store.address('full'))).toEqual([]);
      if (status === 3) expect(store.machines()).toEqual([]);
      else await store.succeed(['rm', '-y', 'full']);
      expect(store.machines()).toEqual([]);
      expect(store.processes().filter((line) => !line.includes('docker-machine-driver'))).toEqual([]);
    } finally {
      disk.unmount();
    }
  });
});

describeWith('a folder that refuses writes', [...missing, ROOT_WITHOUT_MOUNTS], () => {
  const store = new Store(client);
  afterAll(() => store.dispose());

  const inReadOnlyFolder = async (work: Parameters<typeof drive<void>>[3]): Promise<void> => {
    store.save('locked', { MachineName: 'locked', StorePath: store.path });
    writeFileSync(path.join(store.folder('locked'), 'hyperkit.pid'), '4194303');
    const undo = makeReadOnly(store.folder('locked'));
    try {
      await drive(store, 'locked', {}, work);
    } finally {
      undo();
    }
    expect(readdirSync(store.folder('locked')).sort()).toEqual(['config.json', 'hyperkit.pid']);
    expect(store.processes()).toEqual([]);
  };

  test.each(['create', 'start'] as const)('stops %s at once and is named', async (verb) => {
    await inReadOnlyFolder(async ({ driver }) => {
      const said = await refusal(driver[verb]());
      expect(said).toContain(`cannot write to ${store.folder('locked')}: `);
      expect(said).toContain('make the folder writable for this user');
    });
  });

  test('does not keep a machine from being asked, stopped or killed', async () => {
    await inReadOnlyFolder(async ({ driver }) => {
      expect(await driver.getState()).toBe(4);
      await driver.stop();
      await driver.kill();
    });
  });

  test('as the whole store: the check still passes, the ISO just is not cached', async () => {
    const bare = new Store(client);
    const undo = makeReadOnly(bare.path);
    try {
      await drive(bare, 'm', { flags: {} }, async ({ driver, shown }) => {
        await driver.preCreateCheck();
        expect(shown.join('\n')).toContain('The ISO is not cached: cannot write');
      });
    } finally {
      undo();
      await bare.dispose();
    }
  });
});

describeWith('a store with a long path of odd characters', missing, () => {
  test('boots its machine, and an interrupted create leaves nothing', async () => {
    const base = mkdtempSync(path.join(tmpdir(), 'hk-long-'));
    const odd = path.join(base, 'l'.repeat(100), `commas, "quotes" and 'more', $HOME %s; \\ ü`);
    mkdirSync(odd, { recursive: true });
    const store = new Store(client, {}, odd);
    expect(store.folder('m').length).toBeGreaterThan(108 + 50);
    try {
      await drive(store, 'm', { flags: { warm: 'never' } }, async (driven) => {
        let end = '';
        const created = refusal(createLikeClient(store, driven)).then((said) => {
          end = said;
        });
        const isWaiting = (): boolean => driven.shown.some((line) => line.includes('Waiting for SSH on'));
        await until(
          'the machine runs',
          () => isWaiting() || end !== '',
          40_000,
          () => driven.shown,
        );
        expect(end).toBe('');
        expect(listeningOn(store.address('m'))).toContain(2376);
        expect(store.processes().filter((line) => line.includes('qemu'))).toHaveLength(1);
        process.kill(driven.plugin.pid, 'SIGTERM');
        await driven.plugin.exited;
        await created;
      });
      await store.becomesQuiet(5_000);
      expect(listeningOn(store.address('m'))).toEqual([]);
      expect(unfinished(store.path)).toEqual([]);
      await store.succeed(['rm', '-y', 'm']);
      expect(store.machines()).toEqual([]);
    } finally {
      await store.dispose();
      rmSync(base, { recursive: true });
    }
  });
});

describeWith('machines of other programs', missing, () => {
  const store = new Store(client);
  afterAll(() => store.dispose());

  const base = (name: string): object => ({
    IPAddress: '192.168.64.5',
    MachineName: name,
    SSHUser: 'docker',
    SSHPort: 22,
    SSHKeyPath: '',
    StorePath: store.path,
    SwarmMaster: false,
    SwarmHost: '',
    SwarmDiscovery: '',
  });
  const disk = { DiskSize: 20_000, CPU: 2, Memory: 2048, Cmdline: '', NFSSharesRoot: '/nfsshares', UUID: '' };

  test.each([
    ['the Go driver', { ...disk, NFSShares: null, BootKernel: '', Initrd: 'initrd.img', Vmlinuz: 'vmlinuz64' }],
    ['minikube', { ...disk, NFSShares: [], VpnKitSock: 'auto', VSockPorts: null, ExtraDisks: 1, CommonDriver: {} }],
    ['a careless editor', { ...disk, CPU: 'two', Memory: -5, UUID: 7, DiskSize: null, Future: { kept: true } }],
  ])('one of %s is listed, inspected and removed', async (_title, fields) => {
    store.save('theirs', { ...base('theirs'), ...fields });
    expect(await store.succeed(['ls', '-f', '{{.Name}}|{{.DriverName}}|{{.State}}|{{.Error}}'])).toBe(
      'theirs|hyperkit|Stopped|',
    );
    const seen = JSON.parse(await store.succeed(['inspect', 'theirs'])) as { Driver: Record<string, unknown> };
    expect(seen.Driver).toMatchObject({ IPAddress: '192.168.64.5', SSHUser: 'docker' });
    for (const key of ['Initrd', 'Vmlinuz', 'CommonDriver', 'Future']) {
      expect(seen.Driver[key]).toEqual((fields as Record<string, unknown>)[key]);
    }
    await store.succeed(['rm', '-y', 'theirs']);
    expect(store.machines()).toEqual([]);
  });

  test('one that needs a VPNKit is not started without it', async () => {
    store.save('theirs', { ...base('theirs'), ...disk, VpnKitSock: 'auto' });
    await drive(store, 'theirs', { config: { ...disk, VpnKitSock: 'auto' } }, async ({ driver }) => {
      expect(await refusal(driver.preCreateCheck())).toContain('no VPNKit listens at');
    });
    await store.succeed(['rm', '-y', 'theirs']);
  });

  test.each([
    ['no name', ''],
    ['a name that leads elsewhere', '../../victim'],
  ])('one with %s is an error in the list, not the end of it', async (_title, name) => {
    store.save('nameless', base(name));
    const listed = await store.machine(['ls', '-f', '{{.DriverName}} {{.Error}}']);
    expect(listed.code).toBe(0);
    expect(listed.stdout).toContain(`hyperkit cannot use the machine name "${name}"`);
    await store.succeed(['rm', '-f', '-y', 'nameless']);
    expect(store.machines()).toEqual([]);
  });

  test('state files that name a stranger or say nothing: stopped, and the stranger lives', async () => {
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      store.save('stale', base('stale'));
      const inFolder = (name: string, text: string): void =>
        writeFileSync(path.join(store.folder('stale'), name), text);
      const identity = { pid: stranger.pid, startTime: '1', bootId: 'another boot' };
      const state = { ...identity, state: 'running', startedAt: '', ports: [], resets: 0, children: [identity] };
      inFolder('machine-state.json', JSON.stringify(state));
      inFolder('machine-claim.7', JSON.stringify(identity));
      inFolder('hyperkit.pid', String(stranger.pid));
      inFolder('hyperkit.json', '{"machine":');
      inFolder('hyperkit.lock', '');
      expect(await store.succeed(['status', 'stale'])).toBe('Stopped');
      expect((await store.machine(['kill', 'stale'])).output).not.toContain('rror');
      await store.succeed(['rm', '-y', 'stale']);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
      expect(store.machines()).toEqual([]);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('in the end nothing runs any more', () => store.becomesQuiet());
});
