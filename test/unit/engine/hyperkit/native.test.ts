import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describeWith } from '../../../support/peers';
import { ACPI_ON, AWAIT_BUTTON, echoOne, multibootKernel, POWER_OFF, print, RESET } from './hand-made-guest';

/** The program that ships, with guests of some instructions: any KVM will do for them. */
const PROGRAM = path.join(__dirname, '../../../../dist/hyperkit.cjs');

jest.setTimeout(60_000);

describeWith('hyperkit on the native engine', [whyNoKvm()], () => {
  let folder: string;
  const running: ChildProcess[] = [];
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'hk-native-'));
  });
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const start = (kernel: Buffer, ...words: string[]) => startIn({}, kernel, ...words);

  function startIn(environment: NodeJS.ProcessEnv, kernel: Buffer, ...words: string[]) {
    const file = path.join(folder, 'kernel');
    writeFileSync(file, kernel);
    const board = ['-A', '-m', '64M', '-s', '0:0,hostbridge', '-s', '31,lpc', '-l', `com1,stdio,log=${folder}/ring`];
    const child = spawn(process.execPath, [PROGRAM, ...board, ...words, '-f', `multiboot,${file}`], {
      env: { ...process.env, HYPERKIT_ENGINE: 'native', ...environment },
      stdio: 'pipe',
    });
    running.push(child);
    let output = '';
    let listener = (): void => undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('latin1');
        listener();
      });
    }
    return {
      child,
      heard: (text: string) =>
        new Promise<void>((resolve, reject) => {
          listener = () => {
            if (output.includes(text)) resolve();
          };
          child.once('close', () => reject(new Error(`it ended without ${text}: ${output}`)));
          listener();
        }),
      ended: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, output }))),
    };
  }

  test.each([
    ['power-off', POWER_OFF, 0],
    ['reset', RESET, 2],
  ])('%s', async (_title, end, status) => {
    const hyperkit = start(multibootKernel(print('hello\n'), end));
    expect(await hyperkit.ended).toEqual({ code: status, signal: null, output: 'hello\n' });
    expect(readFileSync(path.join(folder, 'ring')).subarray(0, 8).toString('latin1')).toBe('hello\n\0\0');
  });

  test('what is typed reaches the guest, with a network card and an entropy source on the bus', async () => {
    const kernel = multibootKernel(print('> '), echoOne, echoOne, echoOne, POWER_OFF);
    const hyperkit = start(kernel, '-s', '1,virtio-rnd', '-s', '2,virtio-net');
    await hyperkit.heard('> ');
    hyperkit.child.stdin?.write('abc');
    expect(await hyperkit.ended).toEqual({ code: 0, signal: null, output: '> abc' });
  });

  test('SIGTERM is the power button once ACPI is on', async () => {
    const hyperkit = start(multibootKernel(ACPI_ON, print('on\n'), AWAIT_BUTTON, print('pressed\n'), POWER_OFF));
    await hyperkit.heard('on\n');
    hyperkit.child.kill('SIGTERM');
    expect(await hyperkit.ended).toEqual({ code: 0, signal: null, output: 'on\npressed\n' });
  });

  test('and before that ends it', async () => {
    const hyperkit = start(multibootKernel(print('off\n'), AWAIT_BUTTON));
    await hyperkit.heard('off\n');
    hyperkit.child.kill('SIGTERM');
    expect(await hyperkit.ended).toEqual({ code: null, signal: 'SIGTERM', output: 'off\n' });
  });

  test('while the guest runs the process is in a sandbox, and still cleans up after itself', async () => {
    const [pid, tty, sockets] = ['pid', 'tty', 'vsock/dev'].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    const hyperkit = startIn(
      { HYPERKIT_DEBUG: '1' },
      multibootKernel(ACPI_ON, print('on\n'), AWAIT_BUTTON, POWER_OFF),
      ...['-F', pid, '-l', `com2,autopty=${tty}`, '-s', `4,virtio-sock,guest_cid=3,path=${sockets}`],
    );
    await hyperkit.heard('on\n');
    await hyperkit.heard('runs the machine');
    const status = readFileSync(`/proc/${readFileSync(pid, 'latin1')}/status`, 'latin1');
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    expect(status).toMatch(/^Seccomp:\s2$/m);
    expect(readdirSync(sockets)).toContain('connect');
    hyperkit.child.kill('SIGTERM');
    expect(await hyperkit.ended).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^hyperkit: sandbox: seccomp refuses \d+ system calls; /m) as string,
    });
    expect([pid, tty].filter((file) => lstatSync(file, { throwIfNoEntry: false }))).toEqual([]);
    expect(readdirSync(sockets)).toEqual([]);
  });

  test('a trace has what the threads of CPUs record', async () => {
    const trace = path.join(folder, 'trace.json');
    const hyperkit = startIn({ HYPERKIT_TRACE: trace }, multibootKernel(print('traced\n'), POWER_OFF), '-c', '2');
    expect(await hyperkit.ended).toMatchObject({ code: 0 });
    const events = JSON.parse(`${readFileSync(trace, 'utf8').trim().replace(/,$/, '')}]`) as {
      readonly name: string;
      readonly tid: number;
      readonly args: Readonly<Record<string, unknown>>;
    }[];
    const threads = events.filter(({ name }) => name === 'thread_name');
    expect(threads.map(({ args }) => args['name'])).toEqual(['vcpu0', 'vcpu1']);
    const exits = events.filter(({ name }) => name === 'vmx-exit');
    // KVM_EXIT_IO, at least one for each letter.
    expect(exits.filter(({ args }) => args['reason'] === 2).length).toBeGreaterThanOrEqual('traced\n'.length);
    expect(exits.find(({ args }) => args['vcpu'] === 0)?.tid).toBe(threads[0]?.tid);
  });
});

function whyNoKvm(): string | undefined {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return `no KVM (${(error as Error).message})`;
  }
}
