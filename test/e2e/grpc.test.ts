// One virtual machine, made and ended over gRPC by Go's client, and looked into over its own control socket.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loopbackAddress } from '../../driver/address/loopback-address';
import { connectMachine, machineV1 } from '../../driver/grpc/client';
import { PLUGIN } from '../support/drivers';
import { type GrpcOutcome, type GrpcStep, playGrpc } from '../support/grpc-client';
import { listeningOn, missingForMachines, processesNaming } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';
import { until } from '../support/until';

jest.setTimeout(600_000);

const peer = buildPeer('grpc-client');
const NAME = 'grpc';

describeWith('over gRPC', [...missingForMachines(), peer.available ? undefined : peer.reason], () => {
  let base: string;
  let store: string;
  let server: ChildProcess;
  let address: string;
  const folder = () => path.join(store, 'machines', NAME);

  beforeAll(async () => {
    base = mkdtempSync(path.join(tmpdir(), 'hk-grpc-'));
    // A control socket in here has a path that is too long for a socket's address.
    store = path.join(base, 'a-store-whose-name-is-so-long-that-no-socket-could-be-bound-or-connected-to-by-its-path');
    mkdirSync(store);
    address = loopbackAddress(store, NAME, 0);
    server = spawn(process.execPath, [PLUGIN, 'serve', '--listen', `unix://${base}/s`, '--store', store], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // A create can only be cancelled while there is something to wait for.
      env: { ...process.env, HYPERKIT_WARM_CACHE_MB: '0' },
    });
    await once(server.stdout as NodeJS.ReadableStream, 'data');
  });
  afterAll(async () => {
    await play([driver('Remove')]).catch(() => undefined);
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    rmSync(base, { recursive: true, force: true });
  });

  const play = (steps: readonly GrpcStep[]) => playGrpc(peer, `unix://${base}/s`, steps, { deadlineMs: 400_000 });
  const driver = (method: string, more: Partial<GrpcStep> = {}): GrpcStep => ({
    call: `hyperkit.driver.v1.MachineDriver/${method}`,
    requests: [{ machine: NAME }],
    ...more,
  });
  const control = (method: string, request: object = {}, more: Partial<GrpcStep> = {}): GrpcStep => ({
    call: `hyperkit.machine.v1.MachineControl/${method}`,
    requests: [request],
    ...more,
  });
  /** Go's client takes the way by a shorter name. */
  const playControl = (steps: readonly GrpcStep[]) =>
    playGrpc(peer, 'unix:control.sock', steps, { cwd: folder(), deadlineMs: 120_000 });
  const machineProcesses = () => processesNaming(store).filter((line) => !line.startsWith(`${server.pid} `));
  const residentKiB = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

  test('a Create that is cancelled leaves nothing', async () => {
    const [set, check, create] = await play([
      driver('SetConfigFromFlags'),
      driver('PreCreateCheck'),
      driver('Create', { cancelOn: 'Waiting for SSH' }),
    ]);
    expect([set, check, create].map((outcome) => outcome?.status?.code)).toEqual(['OK', 'OK', 'Canceled']);
    await until('its folder is gone', () => !existsSync(folder()));
    await until('its processes are gone', () => machineProcesses().length === 0, 20_000, machineProcesses);
    expect(listeningOn(address)).toEqual([]);
  });

  test('a machine is created, with its progress', async () => {
    const [create, state, url, ip] = await play([
      driver('Create'),
      driver('GetState'),
      driver('GetURL'),
      driver('GetIP'),
    ]);
    expect(create?.status).toEqual({ code: 'OK' });
    const texts = create?.messages.map(({ progress }) => (progress as { text?: string } | undefined)?.text);
    expect(texts?.slice(0, 2)).toEqual(['Creating SSH key...', 'Installing the boot2docker ISO...']);
    expect(texts).toContainEqual(expect.stringContaining('Waiting for SSH'));
    expect(create?.messages.at(-1)).toEqual({
      result: { state: 'MACHINE_STATE_RUNNING', url: `tcp://${address}:2376` },
    });
    expect(state?.messages).toEqual([{ state: 'MACHINE_STATE_RUNNING' }]);
    expect(url?.messages).toEqual([{ url: `tcp://${address}:2376` }]);
    expect(ip?.messages).toEqual([{ ip: address }]);
  });

  test('its process loads gRPC when somebody asks, and stays small', async () => {
    const pid = Number(readFileSync(path.join(folder(), 'hyperkit.pid'), 'utf8'));
    const before = residentKiB(pid);
    const [status, metrics] = await playControl([control('GetStatus'), control('GetMetrics')]);
    expect(status?.messages[0]).toMatchObject({ name: NAME, state: 'STATE_RUNNING', pid, resets: 0 });
    const { processes, network } = messageOf(metrics) as {
      processes: { pid: number; cpuSeconds: number; residentBytes: string }[];
      network: Record<string, string>;
    };
    expect(processes[0]).toMatchObject({ pid, name: 'machine' });
    expect(processes.every(({ cpuSeconds, residentBytes }) => cpuSeconds > 0 && Number(residentBytes) > 1e6)).toBe(
      true,
    );
    expect(Number(network['guestSentPackets'])).toBeGreaterThan(1);
    expect(Number(network['guestReceivedBytes'])).toBeGreaterThan(100);
    const after = residentKiB(pid);
    process.stderr.write(`machine process: ${before} KiB resident, ${after} KiB once gRPC is loaded\n`);
    expect(before).toBeLessThan(90 * 1024);
  });

  test('its console is typed into and read', async () => {
    const machine = connectMachine(folder());
    let seen = '';
    // Whatever is typed before the guest has its shell there is lost.
    async function* typing() {
      for (; !seen.includes('over-42-grpc'); await sleep(1_000)) {
        yield { data: Buffer.from('echo over-$((20+22))-grpc\n') };
      }
    }
    for await (const { data } of machine.control.console(typing(), { timeoutMs: 120_000 })) {
      seen += Buffer.from(data).toString('latin1');
      if (seen.includes('over-42-grpc')) break;
    }
    machine.close();
    expect(seen).toContain('over-42-grpc');
    const [console] = await playControl([
      control('Console', { historyBytes: 1000 }, { cancelOn: 'over-42-grpc', timeoutMs: 60_000 }),
    ]);
    expect(console?.status?.code).toBe('Canceled');
  });

  test('ports are forwarded while it runs, and no more', async () => {
    const [, added, , invalid, fixed] = await playControl([
      control('ListForwards'),
      control('AddForward', { protocol: 'PROTOCOL_TCP', guestPort: 22 }),
      control('ListForwards'),
      control('AddForward', { protocol: 'PROTOCOL_TCP', guestPort: 70_000 }),
      control('RemoveForward', { protocol: 'PROTOCOL_TCP', hostPort: 2376 }),
    ]);
    const { hostPort, hostAddress } = messageOf(added) as { hostPort: number; hostAddress: string };
    expect(hostAddress).toBe(address);
    expect(await greetingOf(hostAddress, hostPort)).toContain('SSH-2.0');
    expect([invalid, fixed].map((outcome) => outcome?.status?.reason)).toEqual([
      'HK_REQUEST_INVALID',
      'HK_REQUEST_INVALID',
    ]);
    const [removed, list] = await playControl([
      control('RemoveForward', { protocol: 'PROTOCOL_TCP', hostPort }),
      control('ListForwards'),
    ]);
    expect(removed?.status).toEqual({ code: 'OK' });
    expect(
      (messageOf(list) as { forwards: { hostPort: number }[] }).forwards.map((each) => each.hostPort),
    ).not.toContain(hostPort);
    expect(listeningOn(address)).not.toContain(hostPort);
  });

  test('it is paused and goes on', async () => {
    const [pause, paused, resume, running] = await playControl([
      control('Pause'),
      control('GetStatus'),
      control('Resume'),
      control('GetStatus'),
    ]);
    expect([pause, resume].map((outcome) => outcome?.status?.code)).toEqual(['OK', 'OK']);
    expect([paused, running].map((outcome) => outcome?.messages[0]?.['state'])).toEqual([
      'STATE_PAUSED',
      'STATE_RUNNING',
    ]);
  });

  test('whoever watches sees it stop, by our typed client as well', async () => {
    const machine = connectMachine(folder());
    const events: string[] = [];
    const watching = (async () => {
      for await (const { event } of machine.control.watchEvents({})) {
        if (event.case === 'status') events.push(machineV1.State[event.value.state]);
        if (event.case === 'exit') events.push(machineV1.Exit_Kind[event.value.kind]);
      }
    })();
    await until('it is watched', () => events.length === 1);
    const [stop, url] = await play([driver('Stop'), driver('GetURL')]);
    expect(stop?.messages.at(-1)).toEqual({ result: { state: 'MACHINE_STATE_STOPPED', url: '' } });
    expect(url?.status).toMatchObject({ reason: 'HK_HOST_NOT_RUNNING', message: 'Host is not running' });
    await watching;
    expect(events[0]).toBe('RUNNING');
    expect(events.at(-1)).toBe('POWER_OFF');
    machine.close();
    expect(existsSync(path.join(folder(), 'control.sock'))).toBe(false);
  });

  test('and nothing is left when it is removed', async () => {
    const [remove, state] = await play([driver('Remove'), driver('GetState')]);
    expect(remove?.status).toEqual({ code: 'OK' });
    expect(state?.status?.reason).toBe('HK_MACHINE_UNKNOWN');
    expect(existsSync(folder())).toBe(false);
    expect(machineProcesses()).toEqual([]);
    expect(listeningOn(address)).toEqual([]);
  });
});

function messageOf(outcome: GrpcOutcome | undefined): unknown {
  const [message] = outcome?.messages ?? [];
  if (message === undefined) throw new Error(`no message: ${JSON.stringify(outcome)}`);
  return message;
}

async function greetingOf(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  socket.setTimeout(30_000, () => socket.destroy(new Error('no greeting')));
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return bytes.toString('latin1');
}
