// `serve`, the program that ships, against Go's gRPC: every call goes through reflection.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { HYPERKIT_FLAGS } from '../../../driver/contract/hyperkit-flags';
import { LIMITS } from '../../../engine/grpc/limits';
import { PLUGIN } from '../../support/drivers';
import { type GrpcOutcome, type GrpcStep, playGrpc } from '../../support/grpc-client';
import { which } from '../../support/machines';
import { buildPeer, describeWith } from '../../support/peers';
import { run } from '../../support/run';
import { temporaryFolder } from '../../support/temporary-folder';
import { until } from '../../support/until';

jest.setTimeout(120_000);

const peer = buildPeer('grpc-client');
const root = temporaryFolder();
const DRIVER = 'hyperkit.driver.v1.MachineDriver';

interface Served {
  readonly address: string;
  readonly child: ChildProcess;
  readonly words: () => string;
  end(): Promise<number | null>;
}

const running: Served[] = [];

async function startServer(args: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, [PLUGIN, 'serve', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words += chunk.toString();
  });
  const [line] = (await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`serve ended: ${words}`))),
  ])) as [Buffer];
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const served: Served = {
    address: line.toString().trim(),
    child,
    words: () => words,
    end: async () => {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
  };
  running.push(served);
  return served;
}

afterEach(async () => {
  for (const served of running.splice(0)) await served.end();
});

const driver = (method: string, request: object = {}, more: Partial<GrpcStep> = {}): GrpcStep => ({
  call: `${DRIVER}/${method}`,
  requests: [request],
  ...more,
});
const first = (outcome: GrpcOutcome | undefined): unknown => outcome?.messages[0];

describeWith("Go's gRPC client", [peer.available ? undefined : peer.reason], () => {
  let folder: string;
  let store: string;
  let socket: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(root, 'f'));
    store = path.join(folder, 'store');
    socket = path.join(folder, 'socket');
  });
  const serveHere = () => startServer(['--listen', `unix://${socket}`, '--store', store]);
  const play = (steps: readonly GrpcStep[]) => playGrpc(peer, `unix://${socket}`, steps);

  test('reads flags, configures a machine and asks for everything', async () => {
    await serveHere();
    const dev = { machine: 'dev' };
    const outcomes = await play([
      driver('DriverName'),
      driver('GetCreateFlags'),
      driver('SetConfigFromFlags', {
        ...dev,
        flags: {
          'hyperkit-cpu-count': { number: '2' },
          'hyperkit-cmdline': { text: 'quiet' },
          'hyperkit-host-ports': { list: { items: ['5000'] } },
          'swarm-master': { boolean: true },
        },
      }),
      driver('GetConfigRaw', dev),
      driver('GetMachineName', dev),
      driver('GetSSHHostname', dev),
      driver('GetSSHKeyPath', dev),
      driver('GetSSHPort', dev),
      driver('GetSSHUsername', dev),
      driver('GetState', dev),
      driver('GetIP', dev),
      driver('GetURL', dev),
    ]);
    const [name, flags, set, raw, machineName, hostname, keyPath, port, user, state, ip, url] = outcomes;
    expect(first(name)).toEqual({ name: 'hyperkit' });
    expect((first(flags) as { flags: { name: string }[] }).flags.map((flag) => flag.name)).toEqual(
      HYPERKIT_FLAGS.map((flag) => flag.name),
    );
    expect(set?.status).toEqual({ code: 'OK' });
    const config = Buffer.from((first(raw) as { config: string }).config, 'base64').toString();
    expect(JSON.parse(config)).toMatchObject({ CPU: 2, Cmdline: 'quiet', HostPorts: ['5000'], StorePath: store });
    expect([machineName, hostname, keyPath, port, user, state].map(first)).toEqual([
      { machineName: 'dev' },
      { hostname: '' },
      { path: path.join(store, 'machines/dev/id_rsa') },
      { port: 22 },
      { username: 'docker' },
      { state: 'MACHINE_STATE_STOPPED' },
    ]);
    for (const outcome of [ip, url]) {
      expect(outcome?.status).toEqual({
        code: 'FailedPrecondition',
        message: 'Host is not running',
        reason: 'HK_HOST_NOT_RUNNING',
        domain: 'docker-machine-driver-hyperkit',
        details: { mend: 'start the machine' },
      });
    }
    expect(existsSync(store)).toBe(false);
  });

  test('gets errors with code and mend for bad input', async () => {
    await serveHere();
    const flags = (name: string, value: object) =>
      driver('SetConfigFromFlags', { machine: 'a', flags: { [name]: value } });
    const steps = [
      flags('hyperkit-cpu-count', { number: '0' }),
      flags('hyperkit-cpu-count', { text: 'two' }),
      flags('hyperkit-nfs-shares', { list: { items: ['/x'] } }),
      flags('hyperkit-memory-size', {}),
      driver('GetState', { machine: '../../etc' }),
      driver('GetState', { machine: 'nobody' }),
      driver('Create', { machine: 'nobody' }),
      driver('Start', { machine: 'nobody' }),
      driver('Remove', { machine: 'nobody' }),
      driver('SetConfigRaw', { machine: 'a', config: Buffer.from('nonsense').toString('base64') }),
    ];
    const outcomes = await play(steps);
    expect(outcomes.map(({ status }) => `${status?.code} ${status?.reason}`)).toEqual([
      'InvalidArgument HK_FLAG_INVALID',
      'InvalidArgument HK_FLAG_INVALID',
      'Unimplemented HK_FLAG_UNSUPPORTED',
      'InvalidArgument HK_REQUEST_INVALID',
      'InvalidArgument HK_CONFIG_INVALID',
      ...Array.from({ length: 4 }, () => 'NotFound HK_MACHINE_UNKNOWN'),
      'InvalidArgument HK_CONFIG_INVALID',
    ]);
    expect(outcomes.every(({ status }) => (status?.details?.['mend'] ?? '') !== '')).toBe(true);
  });

  test('asks for health and for the services', async () => {
    await serveHere();
    const outcomes = await play([
      { call: 'grpc.health.v1.Health/Check' },
      { call: 'grpc.health.v1.Health/Check', requests: [{ service: DRIVER }] },
      { call: 'grpc.health.v1.Health/Check', requests: [{ service: 'x' }] },
      ...['v1', 'v1alpha'].map((version) => ({
        call: `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
        requests: [
          { listServices: '' },
          { fileByFilename: 'hyperkit/driver/v1/driver.proto' },
          { fileByFilename: 'x' },
        ],
      })),
    ]);
    expect(first(outcomes[0])).toEqual({ status: 'SERVING' });
    expect(first(outcomes[1])).toEqual({ status: 'SERVING' });
    expect(outcomes[2]?.status?.code).toBe('NotFound');
    for (const { messages, status } of outcomes.slice(3)) {
      expect(status).toEqual({ code: 'OK' });
      expect(JSON.stringify(messages[0])).toContain(DRIVER);
      expect(messages[1]).toHaveProperty('fileDescriptorResponse');
      expect(messages[2]).toHaveProperty('errorResponse.errorCode', 5);
    }
  });

  test('is held to limits, and served on', async () => {
    await serveHere();
    const big = 'x'.repeat(LIMITS.messageBytes);
    const outcomes = await play([
      driver('GetState', { machine: big }),
      driver('DriverName', {}, { metadata: { x: 'y'.repeat(LIMITS.metadataBytes) } }),
      driver('DriverName', {}, { unknownField: 100_000 }),
      driver('SetConfigFromFlags', { machine: 'a' }, { timeoutMs: 30_000 }),
      ...Array.from({ length: 200 }, () => driver('GetState', { machine: 'a' }, { together: true })),
    ]);
    expect(outcomes.map(({ status }) => status?.code)).toEqual([
      'ResourceExhausted',
      expect.not.stringMatching(/^OK$/),
      ...Array.from({ length: 202 }, () => 'OK'),
    ]);
  });

  test('has its deadlines and cancellations honoured', async () => {
    await serveHere();
    const watch = { call: 'grpc.health.v1.Health/Watch' };
    const [late, cancelled, after] = await play([
      { ...watch, timeoutMs: 300 },
      { ...watch, cancelOn: 'SERVING' },
      driver('DriverName'),
    ]);
    expect(late?.status?.code).toBe('DeadlineExceeded');
    expect(cancelled?.status?.code).toBe('Canceled');
    expect(after?.status?.code).toBe('OK');
  });

  test('finds a socket that is its user’s alone, which goes with the server', async () => {
    const served = await serveHere();
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const second = await run(process.execPath, [PLUGIN, 'serve', '--listen', `unix://${socket}`]);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toContain('another program listens there');
    expect(await served.end()).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  test('finds the server again after one that was killed', async () => {
    const served = await serveHere();
    served.child.kill('SIGKILL');
    await once(served.child, 'exit');
    expect(existsSync(socket)).toBe(true);
    running.splice(0);
    await serveHere();
    const [name] = await play([driver('DriverName')]);
    expect(name?.status?.code).toBe('OK');
  });

  test('is told when the server ends', async () => {
    const served = await serveHere();
    const watching = playGrpc(peer, `unix://${socket}`, [{ call: 'grpc.health.v1.Health/Watch' }], {
      heard: (text) => {
        if (text.includes('"SERVING"')) served.child.kill('SIGTERM');
      },
    });
    const ended = once(served.child, 'exit');
    expect((await watching)[0]).toEqual({
      messages: [{ status: 'SERVING' }, { status: 'NOT_SERVING' }],
      status: { code: 'OK' },
    });
    expect(await ended).toEqual([0, null]);
    running.splice(0);
  });

  describe('what is refused before anybody listens', () => {
    const refuse = async (args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(process.execPath, [PLUGIN, 'serve', ...args]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr.trim().split('\n')).toHaveLength(1);
      return stderr;
    };

    test.each([
      [['--listen', 'tcp://127.0.0.1:0'], 'tcp:// needs --tls-ca, --tls-cert and --tls-key'],
      [
        ['--listen', 'tcp://127.0.0.1:0', '--tls-ca', '/x', '--tls-cert', '/x', '--tls-key', '/x'],
        'cannot use --tls-ca /x',
      ],
      [['--listen', 'tcp://:1', '--tls-ca', '/x', '--tls-cert', '/x', '--tls-key', '/x'], 'say tcp://HOST:PORT'],
      [['--listen', 'unix://relative'], 'must be absolute'],
      [['--listen', 'unix:///x', '--tls-ca', '/x'], 'the --tls options are for tcp://'],
      [['--listen', `unix:///${'x'.repeat(200)}`], 'at most 107 bytes'],
      [['--listen', 'http://x'], 'it must begin with unix:/// or tcp://'],
      [['--listen', 'unix:///x', '--listen', 'unix:///y'], '--listen is given more than once'],
      [['--listen', 'unix:///x', '--grace', 'long'], '--grace must be between'],
      [[], '--listen is missing'],
      [['--listen', 'unix:///x', '--bogus'], 'bogus'],
    ])('%j', async (args, text) => {
      expect(await refuse(args)).toContain(text);
    });

    test('a folder that others can write to', async () => {
      const open = path.join(folder, 'open');
      mkdirSync(open);
      spawnSync('chmod', ['777', open]);
      expect(await refuse(['--listen', `unix://${open}/s`])).toContain('other users can replace files');
    });

    test('a path that is a file', async () => {
      writeFileSync(socket, 'precious');
      expect(await refuse(['--listen', `unix://${socket}`])).toContain('not a socket');
      expect(readdirSync(folder)).toEqual(['socket']);
    });
  });

  describeWith(
    'over TCP',
    [which('openssl') === undefined ? 'no openssl (scripts/test installs it)' : undefined],
    () => {
      const pem = (name: string) => path.join(root, `${name}.pem`);

      function openssl(args: readonly string[]): void {
        const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
        if (status !== 0) throw new Error(stderr);
      }
      function makeAuthority(name: string): void {
        const subject = ['-subj', `/CN=${name}`, '-days', '2'];
        openssl([
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-keyout',
          pem(`${name}-key`),
          '-out',
          pem(name),
          ...subject,
        ]);
      }
      function makePair(name: string, authority: string): void {
        const request = path.join(root, `${name}.csr`);
        const extensions = path.join(root, `${name}.ext`);
        writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1\n');
        openssl([
          'req',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-keyout',
          pem(`${name}-key`),
          '-out',
          request,
          '-subj',
          `/CN=${name}`,
        ]);
        const signed = ['-CA', pem(authority), '-CAkey', pem(`${authority}-key`), '-CAcreateserial', '-days', '2'];
        openssl(['x509', '-req', '-in', request, '-out', pem(name), '-extfile', extensions, ...signed]);
      }

      let served: Served;
      let target: string;
      beforeAll(() => {
        makeAuthority('ca');
        makeAuthority('other-ca');
        makePair('server', 'ca');
        makePair('client', 'ca');
        makePair('stranger', 'other-ca');
      });
      beforeEach(async () => {
        const tls = ['--tls-ca', pem('ca'), '--tls-cert', pem('server'), '--tls-key', pem('server-key')];
        served = await startServer(['--listen', 'tcp://127.0.0.1:0', '--store', store, ...tls]);
        target = `dns:///${served.address.slice('tcp://'.length)}`;
      });
      const playAs = async (args: readonly string[]) => {
        const [outcome] = await playGrpc(peer, target, [driver('DriverName', {}, { timeoutMs: 10_000 })], { args });
        return outcome?.status;
      };

      test('a client with a certificate of the authority is served', async () => {
        const args = ['-tls-ca', pem('ca'), '-tls-cert', pem('client'), '-tls-key', pem('client-key')];
        expect(await playAs(args)).toEqual({ code: 'OK' });
      });

      test.each([
        ['without a certificate', () => ['-tls-ca', pem('ca')]],
        [
          'with one of another authority',
          () => ['-tls-ca', pem('ca'), '-tls-cert', pem('stranger'), '-tls-key', pem('stranger-key')],
        ],
        ['without TLS', () => []],
      ])('a client %s is not', async (_what, args) => {
        expect((await playAs(args()))?.code).toBe('Unavailable');
        await until('the server says so', () => served.words().includes('refused a client at 127.0.0.1'));
      });

      test('nor is a server of another authority taken for ours', async () => {
        const args = ['-tls-ca', pem('other-ca'), '-tls-cert', pem('client'), '-tls-key', pem('client-key')];
        expect((await playAs(args))?.code).toBe('Unavailable');
      });

      test('whoever connects and says nothing is no trouble', async () => {
        const port = Number(served.address.split(':').at(-1));
        const silent = connect(port, '127.0.0.1');
        await once(silent, 'connect');
        const args = ['-tls-ca', pem('ca'), '-tls-cert', pem('client'), '-tls-key', pem('client-key')];
        expect(await playAs(args)).toEqual({ code: 'OK' });
        silent.destroy();
      });
    },
  );
});
