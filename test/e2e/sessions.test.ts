import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import path from 'node:path';
import { BUSYBOX, missingForMachines, Store } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { type Outcome, run } from '../support/run';
import { Terminal } from '../support/terminal';
import { until } from '../support/until';

// Everything that talks with a machine, with one real machine.
describeWith('sessions with a machine', missingForMachines(), () => {
  jest.setTimeout(300_000);
  const store = new Store(path.join(PROJECT, 'dist/bin/hyperkit'));
  const hyperkit = (...words: string[]): Promise<Outcome> => store.machine(words);
  const file = (name: string): string => path.join(store.path, name);
  const sha256 = (name: string): string => createHash('sha256').update(readFileSync(name)).digest('hex');
  const terminals: Terminal[] = [];

  function onTerminal(words: readonly string[], size: { rows?: number; cols?: number } = {}): Terminal {
    const terminal = new Terminal([store.client, ...words], { env: { ...store.env, TERM: 'xterm' }, ...size });
    terminals.push(terminal);
    return terminal;
  }

  beforeAll(async () => {
    await store.succeed(['create', 'm']);
  });
  afterEach(() => {
    for (const terminal of terminals.splice(0)) terminal.close();
  });
  afterAll(() => store.dispose());

  test('ssh: status, streams, input, and words that look like options', async () => {
    expect(await hyperkit('ssh', 'm', 'echo out; echo err >&2; exit 42')).toMatchObject({
      code: 42,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const bytes = 'one\ntwo\n'.repeat(50_000);
    expect((await store.machine(['ssh', 'm', 'wc', '-c'], { stdin: bytes })).stdout.trim()).toBe(String(bytes.length));
    expect((await hyperkit('ssh', 'm', 'ls', '-l', '/etc/os-release')).stdout).toMatch(/^[-l]rw/);
    expect((await hyperkit('ssh', 'm', 'kill -TERM $$')).code).toBe(255);
  });

  test('ssh: a shell on a terminal with its size, which follows', async () => {
    const terminal = onTerminal(['ssh', 'm'], { rows: 31, cols: 97 });
    await terminal.expect('$ ');
    terminal.type('stty size; echo kind=$TERM\r');
    await terminal.expect('31 97');
    await terminal.expect('kind=xterm');
    await terminal.resize(41, 101);
    await until('the new size', async () => {
      terminal.type('stty size\r');
      return await terminal.expect('41 101', 2000).then(
        () => true,
        () => false,
      );
    });
    terminal.type('exit 6\r');
    expect(await terminal.ended).toBe(6);
  });

  test('scp: a file both ways, over one that is there, with its mode', async () => {
    writeFileSync(file('big'), randomBytes(20_000_000));
    chmodSync(file('big'), 0o640);
    await store.succeed(['ssh', 'm', 'echo old > big']);
    await store.succeed(['scp', '-p', file('big'), 'm:big']);
    expect(await store.succeed(['ssh', 'm', 'sha256sum < big; stat -c %a big; ls -A | grep tmp; true'])).toBe(
      `${sha256(file('big'))}  -\n640`,
    );
    await store.succeed(['scp', '-p', 'm:big', file('back')]);
    expect(sha256(file('back'))).toBe(sha256(file('big')));
    expect(statSync(file('back')).mode & 0o777).toBe(0o640);
    expect(readdirSync(store.path).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    const refused = await hyperkit('scp', file('big'), 'm:/proc/none');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('cannot copy')]);
  });

  test('scp -r: a tree there and back, and within the machine', async () => {
    mkdirSync(file('tree/inner'), { recursive: true });
    for (let index = 0; index < 20; index++) writeFileSync(file(`tree/inner/${index}`), String(index));
    await store.succeed(['scp', '-r', file('tree'), 'm:/tmp']);
    await store.succeed(['scp', '-r', 'm:/tmp/tree', 'm:/tmp/twice']);
    await store.succeed(['scp', '-r', 'm:/tmp/twice', file('again')]);
    const same = await run('diff', ['-r', file('tree'), file('again')]);
    expect([same.code, same.output]).toEqual([0, '']);
  });

  test('ssh -L: a port of this host leads to one in the guest', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    const forward = spawn(store.client, ['ssh', '-N', '-L', `${port}:localhost:22`, 'm'], {
      env: store.env,
      stdio: 'ignore',
    });
    const ended = once(forward, 'exit');
    try {
      const greeting = await until('a greeting through the forward', async () => {
        const socket = createConnection({ host: '127.0.0.1', port }).setEncoding('latin1');
        const [text] = (await once(socket, 'data').catch(() => [])) as string[];
        socket.destroy();
        return text;
      });
      expect(greeting).toMatch(/^SSH-2\.0-/);
    } finally {
      forward.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
  });

  test('console: a login on the serial line; logs -f sees it, too', async () => {
    let heard = '';
    let follower: ChildProcess | undefined;
    const following = store.machine(['logs', '-f', 'm'], {
      started: (child) => {
        follower = child;
      },
      heard: (text) => {
        heard += text;
      },
    });
    const terminal = onTerminal(['console', 'm']);
    await terminal.expect('Ctrl-] detaches');
    await until('a prompt', async () => {
      terminal.type('\r');
      return await terminal.expect('$ ', 2000).then(
        () => true,
        () => false,
      );
    });
    terminal.type('echo this is $((40 + 2))\r');
    await terminal.expect('this is 42');
    await until('the same in the log', () => heard.includes('this is 42'));
    follower?.kill('SIGTERM');
    await following;
    terminal.type('\x1d');
    await terminal.expect('Detached.');
    expect(await terminal.ended).toBe(0);
    const tail = await hyperkit('logs', '--tail', '5', 'm');
    expect(tail.stdout).toContain('this is 42');
    expect((await hyperkit('logs', '--daemon', '--tail', '1', 'm')).stdout.split('\n')).toHaveLength(2);
  });

  test('ports: those of the machine, and of a container as it comes and goes', async () => {
    const address = await store.succeed(['ip', 'm']);
    expect(await store.succeed(['ports', 'm'])).toMatch(new RegExp(`^${address}:2376 +2376/tcp +machine$`, 'm'));
    if (!existsSync(BUSYBOX)) throw new Error(`no ${BUSYBOX} (image/busybox-image makes it)`);
    await store.succeed(['scp', BUSYBOX, 'm:busybox.tar']);
    await store.succeed([
      'ssh',
      'm',
      'docker load -q -i busybox.tar && docker run -d --name web -p 8081:80 busybox sleep 600',
    ]);
    const published = { protocol: 'tcp', address, hostPort: 8081, guestPort: 8081, container: true };
    const ports = async (): Promise<unknown[]> =>
      JSON.parse(await store.succeed(['ports', '--json', 'm'])) as unknown[];
    await until('the port', async () =>
      (await ports()).some((port) => JSON.stringify(port) === JSON.stringify(published)),
    );
    await store.succeed(['ssh', 'm', 'docker rm -f web']);
    await until('its end', async () => (await ports()).length === 2);
  });

  test('doctor: a sound store, then one with a stale pid, which --fix mends', async () => {
    const sound = await hyperkit('doctor');
    expect([sound.code, sound.stdout]).toEqual([0, expect.stringMatching(/^ok +store: 1 machine /m)]);
    store.save('crashed', { MachineName: 'crashed', StorePath: store.path });
    const pid = path.join(store.folder('crashed'), 'hyperkit.pid');
    writeFileSync(pid, '999999');
    expect((await hyperkit('doctor')).stdout).toContain(`rm ${pid}`);
    const fixed = await hyperkit('doctor', '--fix', '--json');
    expect(JSON.parse(fixed.stdout)).toMatchObject({
      healthy: true,
      findings: expect.arrayContaining([expect.objectContaining({ subject: 'machine crashed', level: 'fixed' })]),
    });
    expect(existsSync(pid)).toBe(false);
  });

  test('a machine that was shut down says so; its log stays', async () => {
    await store.succeed(['stop', 'm']);
    const { code, stderr } = await hyperkit('ssh', 'm', 'true');
    expect([code, stderr]).toEqual([255, expect.stringContaining('Host "m" is not running')]);
    expect((await hyperkit('logs', 'm')).stdout).toContain('this is 42');
    expect(existsSync(path.join(store.folder('m'), 'console.sock'))).toBe(false);
  });
});
