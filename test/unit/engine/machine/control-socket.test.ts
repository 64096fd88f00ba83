import { chmodSync, existsSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { UNCONNECTED } from '../../../../engine/console/serial-line';
import { EngineError } from '../../../../engine/errors';
import type { RunningVm } from '../../../../engine/hypervisors/hypervisor';
import { ConsoleTap } from '../../../../engine/machine/console-tap';
import { type ControlSocket, openControlSocket } from '../../../../engine/machine/control-socket';
import type { ControlSurface } from '../../../../engine/machine/control-surface';
import { connectMachine, type MachineConnection } from '../../../../engine/machine/grpc/connect-machine';
import { ConsoleBacklog } from '../../../../engine/machine/grpc/console-backlog';
import { HostPorts } from '../../../../engine/machine/host-ports';
import type { MachineNetwork } from '../../../../engine/machine/machine-network';
import { StateKeeper } from '../../../../engine/machine/state-keeper';
import type { VmControls } from '../../../../engine/machine/vm-controls';
import type { ForwardSpec } from '../../../../engine/net/forwards/forwarder';
import { Exit_Kind, Protocol, State } from '../../../../proto/generated/hyperkit/machine/v1/machine_pb';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

const root = temporaryFolder();

/** A machine without a guest. */
interface FakeMachine {
  readonly stateDir: string;
  readonly keeper: StateKeeper;
  readonly console: ConsoleTap;
  readonly ports: HostPorts;
  /** What was done to it. */
  readonly done: string[];
  readonly log: string[];
  readonly surface: ControlSurface;
  vm: RunningVm | undefined;
}

function fakeMachine(stateDir: string, more: object = {}): FakeMachine {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const keeper = new StateKeeper(stateDir, { pid: process.pid, startTime: '1', bootId: 'b' });
  const done: string[] = [];
  const log: string[] = [];
  const console = new ConsoleTap(UNCONNECTED);
  const forwarder = {
    open: async (spec: ForwardSpec) => {
      const { port } = spec.host as { port: number };
      if (port === 81)
        throw new EngineError('HK_FORWARD_FAILED', 'Bind for 127.0.0.9:81 failed: port is already allocated');
      const host = { address: '127.0.0.9', port: port === 0 ? 40_000 : port };
      return { spec: { ...spec, host }, close: async () => void done.push(`close ${host.port}`) };
    },
  };
  const ports = new HostPorts(
    forwarder,
    { bindAddress: '127.0.0.9', forwards: [{ hostPort: 2222, guestPort: 22 }] },
    '10.0.0.2',
  );
  const network = { ports, traffic: { sentBytes: 1, sentPackets: 2, receivedBytes: 3, receivedPackets: 4 } };
  const machine: FakeMachine = {
    stateDir,
    keeper,
    console,
    ports,
    done,
    log,
    vm: {
      backend: 'fake',
      children: [{ pid: process.pid }],
      ports: undefined,
      exited: new Promise(() => undefined),
      powerButton: async () => void done.push('power button'),
      kill: async () => void done.push('kill'),
      ...{
        exitCounts: () => [{ io: 7 }],
      },
      ...more,
    },
    surface: {
      name: 'dev',
      stateDir,
      keeper,
      console,
      network: network as unknown as MachineNetwork,
      log: (line) => log.push(line),
      controls: {
        get vm() {
          return machine.vm;
        },
        stop: (reason: Error) => void done.push(`stop: ${reason.message}`),
      } as unknown as VmControls,
    },
  };
  return machine;
}

let machine: FakeMachine;
let socket: ControlSocket;
let connection: MachineConnection;

async function open(stateDir: string, more: object = {}): Promise<MachineConnection['control']> {
  machine = fakeMachine(stateDir, more);
  socket = await openControlSocket(machine.surface);
  connection = connectMachine(stateDir);
  return connection.control;
}
const folder = (): string => path.join(mkdtempSync(path.join(root, 'f')), 'm');

afterEach(async () => {
  connection.close();
  machine.keeper.finish({ kind: 'killed' });
  await socket.close();
});

const refusal = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: { readonly code: string }) => error.code,
  );

test('the socket is 0600 and goes with the machine, also where its path is too long', async () => {
  const deep = path.join(folder(), 'x'.repeat(120));
  const control = await open(deep);
  const file = path.join(deep, 'control.sock');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await control.getStatus({})).toMatchObject({ name: 'dev', state: State.STARTING, pid: process.pid });
  await socket.close();
  expect(existsSync(file)).toBe(false);
  socket = { close: async () => undefined };
});

test('a folder that others can write to gives no socket, and the machine lives', async () => {
  const stateDir = folder();
  mkdirSync(stateDir);
  chmodSync(stateDir, 0o777);
  const control = await open(stateDir);
  expect(machine.log.join()).toContain('the machine has no control socket');
  expect(await refusal(control.getStatus({}))).toBe('UNAVAILABLE');
});

test('nothing is loaded before somebody connects', async () => {
  const control = await open(folder());
  expect(machine.log).toEqual([]);
  await control.getStatus({});
  expect(machine.log).toEqual(['somebody connected to the control socket']);
});

test('events: the status now, each change, and the end', async () => {
  const control = await open(folder());
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { event } of control.watchEvents({})) {
      if (event.case === 'status') seen.push(`${State[event.value.state]} ${event.value.notice}`);
      if (event.case === 'exit') seen.push(`${Exit_Kind[event.value.kind]} ${event.value.detail}`);
    }
  })();
  await until('the first one', () => seen.length === 1);
  machine.keeper.update({ state: 'running', backend: 'fake' });
  await until('the second one', () => seen.length === 2);
  machine.keeper.update({ state: 'paused', notice: 'disk full' });
  await until('the third one', () => seen.length === 3);
  machine.keeper.finish({ kind: 'failed', detail: 'broken' });
  await socket.close();
  await watching;
  expect(seen).toEqual(['STARTING ', 'RUNNING ', 'PAUSED disk full', 'FAILED broken']);
});

test('metrics of processes, network and CPUs', async () => {
  const control = await open(folder());
  const { processes, network, vcpus } = await control.getMetrics({});
  expect(processes.map(({ pid }) => pid)).toEqual([process.pid, process.pid]);
  expect(processes.every(({ residentBytes, cpuSeconds }) => residentBytes > 0n && cpuSeconds > 0)).toBe(true);
  expect(network).toMatchObject({ guestSentBytes: 1n, guestReceivedPackets: 4n });
  expect(vcpus).toEqual([expect.objectContaining({ exits: { io: 7n } })]);
});

test('the console: what was said, what is said, and what is typed, as the guest takes it', async () => {
  const stateDir = folder();
  const control = await open(stateDir);
  writeFileSync(path.join(stateDir, 'console.log'), 'long ago: booted\n');
  async function* typing() {
    yield { historyBytes: 7, data: Buffer.from('ls') };
    yield { data: Buffer.from(' -l') };
  }
  // A guest that has no room after each piece, and none at all at first.
  setTimeout(() => {
    machine.console.read((bytes) => {
      machine.done.push(`typed ${Buffer.from(bytes).toString()}`);
      machine.console.pauseInput();
      setTimeout(() => machine.console.resumeInput(), 50);
    });
  }, 50);
  let seen = '';
  for await (const { data } of control.console(typing())) {
    if (seen === '') {
      await until('all is typed', () => machine.done.length === 2);
      machine.console.write(Buffer.from('now'));
    }
    seen += Buffer.from(data).toString();
    if (seen.includes('now')) break;
  }
  expect(seen).toBe('booted\nnow');
  expect(machine.done).toEqual(['typed ls', 'typed  -l']);
});

test('the console ends with the machine', async () => {
  const control = await open(folder());
  machine.console.read((bytes) => machine.done.push(`typed ${Buffer.from(bytes).toString()}`));
  async function* typing() {
    yield { data: Buffer.from('x') };
    await new Promise(() => undefined);
  }
  const reading = (async () => {
    for await (const _output of control.console(typing()));
  })();
  await until('it is typed', () => machine.done.length === 1);
  machine.keeper.finish({ kind: 'power-off' });
  await reading;
});

test('forwards come and go; those of the machine stay', async () => {
  const control = await open(folder());
  await machine.ports.openForwards();
  const added = await control.addForward({ protocol: Protocol.TCP, guestPort: 80 });
  expect(added).toMatchObject({ hostPort: 40_000, guestPort: 80, hostAddress: '127.0.0.9', fixed: false });
  expect(machine.keeper.machine.ports.map(({ hostPort }) => hostPort)).toEqual([40_000]);
  const { forwards } = await control.listForwards({});
  expect(forwards.map(({ hostPort, fixed }) => [hostPort, fixed])).toEqual([
    [2222, true],
    [40_000, false],
  ]);
  const tcp = { protocol: Protocol.TCP };
  expect(await refusal(control.removeForward({ ...tcp, hostPort: 2222 }))).toBe('HK_REQUEST_INVALID');
  await control.removeForward({ ...tcp, hostPort: 40_000 });
  expect(machine.done).toEqual(['close 40000']);
  expect(machine.keeper.machine.ports).toEqual([]);
  expect(await refusal(control.removeForward({ ...tcp, hostPort: 40_000 }))).toBe('HK_REQUEST_INVALID');
  expect(await refusal(control.addForward({ ...tcp, hostPort: 81, guestPort: 80 }))).toBe('HK_FORWARD_FAILED');
  expect(await refusal(control.addForward({ ...tcp, guestPort: 0 }))).toBe('HK_REQUEST_INVALID');
  expect(await refusal(control.addForward({ ...tcp, hostPort: 70_000, guestPort: 1 }))).toBe('HK_REQUEST_INVALID');
  expect(await refusal(control.addForward({ guestPort: 80 }))).toBe('HK_REQUEST_INVALID');
});

test('power button, kill and pause', async () => {
  const control = await open(folder());
  await control.pressPowerButton({});
  await control.kill({});
  expect(await refusal(control.pause({}))).toBe('HK_REQUEST_UNSUPPORTED');
  machine.vm = undefined;
  expect(await refusal(control.pressPowerButton({}))).toBe('HK_REQUEST_UNSUPPORTED');
  await control.kill({});
  expect(machine.done).toEqual(['power button', 'kill', 'stop: it was killed while it was starting']);
});

test('a reader who is far behind loses the oldest output, and is told how much', async () => {
  const backlog = new ConsoleBacklog();
  for (let index = 0; index < 300; index++) backlog.push(Buffer.alloc(1024, index));
  const taken = await backlog.take();
  expect(taken?.data).toHaveLength(256 * 1024);
  expect(taken?.droppedBytes).toBe(44n * 1024n);
  backlog.push(Buffer.from('more'));
  backlog.end();
  backlog.push(Buffer.from('too late'));
  expect(await backlog.take()).toEqual({ data: Buffer.from('more'), droppedBytes: 0n });
  expect(await backlog.take()).toBeUndefined();
});
