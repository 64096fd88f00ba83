import { accessSync, chmodSync, constants, cpSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { drive, refusal } from '../support/drivers';
import { occupy, WITHOUT_KVM, whyNoMounts } from '../support/host';
import { missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { run } from '../support/run';

// Options and hosts that cannot work. Whatever is refused is refused before anything exists, with a text that says
// what failed, why, and what to do.
const peer = buildPeer('docker-machine');
const HOST_MEMORY_MIB = Math.floor(totalmem() / 1024 / 1024);

describeWith('bad input', [...missingForMachines(), peer.available ? undefined : peer.reason], () => {
  jest.setTimeout(60_000);
  const store = new Store(peer.available ? peer.path : '');
  afterEach(() => expect(store.machines()).toEqual([]));
  afterAll(() => store.dispose());

  /** The refusal of PreCreateCheck, which is where everything that can be known early has to be found out. */
  const refusedCheck = (name: string, options: Parameters<typeof drive>[2]): Promise<string> =>
    drive(store, name, { flags: {}, ...options }, ({ driver }) => refusal(driver.preCreateCheck()));

  describe('through docker-machine', () => {
    test.each([
      ['vsock-ports', '1024', 'vsock forwarding is not available in this version; leave the option out'],
      ['vpnkit-sock', '/nowhere/eth.sock', 'there is no such file; start vpnkit or gvproxy first'],
      ['nfs-shares', '/home', 'NFS sharing is not available in this version; leave the option out'],
      ['memory-size', '12', 'cannot use --hyperkit-memory-size=12: it must be a whole number between'],
      ['engine', 'vmware', 'cannot use --hyperkit-engine=vmware: it must be one of auto, native, qemu'],
      ['uuid', 'twelve', 'cannot use --hyperkit-uuid=twelve: it must be a UUID such as'],
      ['bind-address', 'localhost', 'cannot use --hyperkit-bind-address=localhost: it must be an IPv4 address'],
    ])('--hyperkit-%s=%s is refused', async (flag, value, text) => {
      const outcome = await store.machine(['create', '-d', 'hyperkit', `--hyperkit-${flag}`, value, 'refused']);
      expect(outcome.code).toBe(1);
      expect(outcome.output).toContain(`cannot use --hyperkit-${flag}`);
      expect(outcome.output).toContain(text);
    });

    test('a check that fails ends with status 3 and leaves no machine', async () => {
      const env = { HYPERKIT_QEMU: '/nowhere/qemu' };
      const outcome = await store.machine(['create', '-d', 'hyperkit', 'unborn'], { env });
      expect(outcome.code).toBe(3);
      expect(outcome.output).toContain('Error with pre-create check');
      expect(outcome.output).toContain('cannot run virtual machines here: ');
      expect(outcome.output).toContain('QEMU: HYPERKIT_QEMU is set to /nowhere/qemu, which is not a program');
      expect(await store.succeed(['ls', '-q'])).toBe('');
    });
  });

  describe('the hypervisor', () => {
    test.each([
      ['a name that is not on PATH', 'qemu-of-nowhere', 'which is not a program that this user may run'],
      ['a folder', '/tmp', 'which is not a program that this user may run'],
      ['another program', process.execPath, 'does not run: '],
      ['a program that says nothing', '/bin/true', 'is not QEMU'],
    ])('%s instead of QEMU', async (_title, program, text) => {
      const said = await refusedCheck('no-qemu', { env: { HYPERKIT_QEMU: program } });
      expect(said).toMatch(/^cannot run virtual machines here: KVM: .+; QEMU: /);
      expect(said).toContain(program);
      expect(said).toContain(text);
    });

    test('accel kvm is refused where KVM is too slow or missing, and only there', async () => {
      const said = await drive(store, 'kvm', { flags: { accel: 'kvm' } }, ({ driver }) =>
        driver.preCreateCheck().then(
          () => 'KVM is fast here',
          (error: Error) => error.message,
        ),
      );
      expect(said).toMatch(
        /^(KVM is fast here|cannot run virtual machines here: KVM: .+; or use the accelerator auto or tcg)$/,
      );
    });

    describeWith('without KVM', [whyNoMounts()], () => {
      test.each([
        ['missing', 'KVM: there is no /dev/kvm; enable virtualisation in the firmware'],
        ['somethingElse', 'KVM: /dev/kvm is something else'],
      ] as const)('/dev/kvm %s: auto goes without, kvm says so', async (kind, reason) => {
        const launcher = WITHOUT_KVM[kind];
        const chosen = await drive(store, 'auto', { flags: {}, launcher }, async ({ driver, debug }) => {
          await driver.preCreateCheck();
          return debug.join('\n');
        });
        expect(chosen).toMatch(/hypervisor: QEMU [\d.]+, TCG/);
        expect(chosen).toContain(reason);
        const said = await refusedCheck('kvm', { flags: { accel: 'kvm' }, launcher });
        expect(said).toContain(`cannot run virtual machines here: ${reason}`);
        expect(said).toContain('or use the accelerator auto or tcg');
      });
    });
  });

  describe('sizes', () => {
    test('more memory than the host has', async () => {
      const said = await refusedCheck('big', { flags: { 'memory-size': HOST_MEMORY_MIB + 1024 } });
      expect(said).toContain(`${HOST_MEMORY_MIB + 1024} is more than this computer's ${HOST_MEMORY_MIB} MiB of memory`);
    });

    test('more CPUs than make sense', async () => {
      expect(await refusedCheck('wide', { flags: { 'cpu-count': 255 } })).toMatch(
        /255 must be between 1 and \d+ on this computer/,
      );
    });

    test('a machine name that is no host name', async () => {
      const name = 'n'.repeat(64);
      expect(await refusedCheck(name, {})).toContain(`"${name}" must be a host name`);
    });
  });

  describe('the address', () => {
    test('taken by another program: the next one is used', async () => {
      const free = await occupy(store.address('clash'), 2376);
      try {
        const config = await drive(store, 'clash', { flags: {} }, async ({ driver }) => {
          await driver.preCreateCheck();
          return JSON.parse(Buffer.from(await driver.getConfigRaw()).toString()) as { IPAddress: string };
        });
        expect(config.IPAddress).toBe(store.address('clash', 1));
      } finally {
        await free();
      }
    });

    test.each([
      ['Docker', [2376], /^cannot listen on 127\.88\.1\.2:2376: another program does; find it with "ss -ltnp.*stop it/],
      ['SSH', [2222, 22], /^cannot forward SSH: ports 22 and 2222 of 127\.88\.1\.2 are taken; find the program with/],
    ])('the one asked for: its %s port taken', async (_title, ports, text) => {
      const free: (() => Promise<void>)[] = [];
      try {
        // A port below 1024 that this user may not take is as good as taken.
        for (const port of ports) await occupy('127.88.1.2', port).then((undo) => free.push(undo), String);
        const said = await refusedCheck('bound', { flags: { 'bind-address': '127.88.1.2' } });
        expect(said).toMatch(text);
        expect(said).toContain('--hyperkit-bind-address');
      } finally {
        for (const undo of free) await undo();
      }
    });

    test('of another host', async () => {
      expect(await refusedCheck('far', { flags: { 'bind-address': '203.0.113.7' } })).toBe(
        'cannot listen on 203.0.113.7:2376: it is not an address of this host; see "ip address", then use --hyperkit-bind-address',
      );
    });
  });

  test('in the end nothing runs any more', () => store.becomesQuiet());
});

describeWith('/dev/kvm that is closed to the user', [...missingForMachines(), whyNotClosed()], () => {
  // The programs where everybody can read them, for a user who is not us.
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'hk-nobody-'));
    chmodSync(folder, 0o755);
    cpSync(path.join(PROJECT, 'dist'), path.join(folder, 'dist'), { recursive: true, verbatimSymlinks: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('doctor says so, what to do, and what is used instead', async () => {
    const doctor = [process.execPath, path.join(folder, 'dist/hyperkit.cjs'), 'doctor'];
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', ...doctor];
    const { code, stdout } = await run('setpriv', nobody, {
      cwd: '/',
      env: { PATH: process.env['PATH'], HOME: folder },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^ok +engine qemu: QEMU [\d.]+, TCG \(KVM: \/dev\/kvm is not open to this user; run "sudo usermod -aG kvm \$USER"/m,
    );
  });
});

/** Only root can become somebody for whom the device is closed. */
function whyNotClosed(): string | undefined {
  if (process.getuid?.() !== 0) return 'becoming another user needs root';
  try {
    accessSync('/dev/kvm', constants.F_OK);
  } catch {
    return 'there is no /dev/kvm here';
  }
  return (statSync('/dev/kvm').mode & 0o006) === 0 ? undefined : '/dev/kvm is open to everybody here';
}
