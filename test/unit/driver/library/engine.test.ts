import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { Engine, EngineError } from '../../../../driver/library';
import { parentDeathPrefix } from '../../../../engine/hypervisors/qemu/parent-death';
import { processesNaming } from '../../../support/machines';
import { PROJECT } from '../../../support/peers';
import { run } from '../../../support/run';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

const BOOT = { kernel: 'vmlinuz', initrd: 'initrd' };

test.each([
  ['memory', { memoryMiB: 1 }, /memoryMiB 1 must be/],
  ['CPUs', { vcpus: 0 }, /vcpus 0 must be/],
  ['a command line', { commandLine: 'a\nb' }, /commandLine "a\\nb" must not/],
  ['forwards', { forwards: [{ hostPort: 0, guestPort: 22 }] }, /hostPort 0 must be/],
  ['an address', { bindAddress: 'localhost' }, /bindAddress "localhost" must be/],
  ['a name', { name: 'a b' }, /name "a b" must be/],
])('refused by name: %s', async (_title, options, text) => {
  const starting = Engine.start({ ...BOOT, ...options });
  await expect(starting).rejects.toBeInstanceOf(EngineError);
  await expect(starting).rejects.toMatchObject({ code: 'HK_SPEC_INVALID', message: expect.stringMatching(text) });
});

test('a start that is no longer wanted rejects with the reason', async () => {
  const reason = new Error('no longer wanted');
  await expect(Engine.start({ ...BOOT, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('without any hypervisor the error says what each lacks', async () => {
  const before = process.env['HYPERKIT_QEMU'];
  process.env['HYPERKIT_QEMU'] = path.join(temporaryFolder(), 'none');
  try {
    const starting = Engine.start({ ...BOOT, hypervisor: 'qemu', accelerator: 'tcg' });
    await expect(starting).rejects.toMatchObject({ code: 'HK_NO_HYPERVISOR' });
  } finally {
    if (before === undefined) delete process.env['HYPERKIT_QEMU'];
    else process.env['HYPERKIT_QEMU'] = before;
  }
});

// Programs that import the library as it ships, with something in QEMU's place. They end by themselves, or hang.
describe('a program with a virtual machine', () => {
  const FAKE = path.join(__dirname, '../../engine/machine/fixtures/fake-qemu.cjs');
  /** In the environment of everything that is started here. */
  const mark = temporaryFolder();

  interface Said {
    readonly backend?: string;
    readonly heard?: string;
    readonly exit?: { readonly kind: string };
    readonly code?: string;
    readonly message?: string;
  }

  /** Runs `action` with the machine `vm` and what its console has said, `heard()`, until the machine has ended. */
  async function program(mode: string, action: string): Promise<Said> {
    const port = await freePort();
    const script = `
      const { Engine } = require(${JSON.stringify(path.join(PROJECT, 'dist/library.cjs'))});
      const { connect } = require('node:net');
      const port = ${port};
      const chunks = [];
      const heard = () => Buffer.concat(chunks).toString();
      const greeted = async () => { while (!heard().includes('\\n')) await new Promise((done) => setTimeout(done, 20)); };
      const soon = () => {
        const abort = new AbortController();
        setTimeout(() => abort.abort(new Error('no longer wanted')), 1000);
        return abort.signal;
      };
      (async () => {
        const vm = await Engine.start({
          kernel: 'k', initrd: 'i', hypervisor: 'qemu', accelerator: 'tcg',
          forwards: [{ hostPort: port, guestPort: 22 }],
          signal: ${JSON.stringify(mode)} === 'hang' ? soon() : undefined,
          onConsole: (bytes) => chunks.push(bytes),
        });
        ${action}
        const exit = await vm.exited;
        return { backend: vm.backend, heard: heard(), exit };
      })()
        .catch(({ code, message }) => ({ code, message }))
        .then((said) => console.log(JSON.stringify(said)));`;
    const env = { ...process.env, HYPERKIT_QEMU: FAKE, FAKE_QEMU: mode, ENGINE_TEST: mark };
    const { stdout, output, code } = await run(process.execPath, ['--eval', script], { env });
    if (code !== 0 || stdout === '') throw new Error(`exit ${code}\n${output}`);
    expect(await freePort(port)).toBe(port);
    await until('nothing of it runs', () => processesNaming(mark).length === 0);
    return JSON.parse(stdout) as Said;
  }

  test('presses its power button, and ends when the guest is down', async () => {
    const said = await program(
      'run',
      `await greeted();
       await new Promise((done, fail) => {
         const socket = connect(port, '127.0.0.1', () => done(socket.destroy())).on('error', fail);
       });
       await vm.powerButton();`,
    );
    expect(said).toMatchObject({ backend: 'qemu/tcg', exit: { kind: 'power-off' } });
    expect(said.heard).toMatch(/^console of fake \d+\n$/);
  });

  test('pulls the plug, and may do so again', async () => {
    const said = await program(
      'ignore-button',
      'await greeted(); await vm.powerButton(); await vm.kill(); await vm.kill();',
    );
    expect(said).toMatchObject({ exit: { kind: 'killed' } });
  });

  test('is told of a guest that resets, and hears all that one says before it ends', async () => {
    expect(await program('reset', '')).toMatchObject({ exit: { kind: 'reset' } });
    const { heard = '' } = await program('chatty', '');
    expect(heard.endsWith('much to say\nend')).toBe(true);
    expect(heard.match(/much to say\n/g)).toHaveLength(200_000);
  });

  test("gets the hypervisor's last words when it does not start", async () => {
    expect(await program('exit', '')).toEqual({
      code: 'HK_HYPERVISOR_FAILED',
      message: expect.stringContaining('fake reason'),
    });
  });

  test('gives up a start that hangs', async () => {
    // Its own deadline is 30 s; the signal comes first.
    expect(await program('hang', '')).toEqual({ message: 'no longer wanted' });
  });

  test('takes its machine along when it is killed', async () => {
    if ((await parentDeathPrefix()).length === 0) {
      process.stderr.write(
        'SKIPPED the end of a machine with its program: no setpriv that sets the parent-death signal\n',
      );
      return;
    }
    const killed = program('run', "await greeted(); process.kill(process.pid, 'SIGKILL');");
    await expect(killed).rejects.toThrow('exit null');
    await until('no QEMU is left', () => processesNaming(mark).length === 0);
  });
});

/** A port of 127.0.0.1 that nobody listens on. */
async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(wanted, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
