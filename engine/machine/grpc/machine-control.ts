import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  Exit_Kind as ExitKind,
  type ForwardSchema,
  MachineControl,
  type MachineStatusSchema,
  Protocol,
  State,
} from '../../../proto/generated/hyperkit/machine/v1/machine_pb';
import { EngineError } from '../../errors';
import { type DescribedService, describeService } from '../../grpc/handlers';
import type { RunningVm } from '../../hypervisors/hypervisor';
import { isPausable, type PausableVm } from '../../hypervisors/pausable';
import type { ControlSurface } from '../control-surface';
import type { HostPorts, OpenPort } from '../host-ports';
import type { HostPort } from '../runtime-state';
import { runConsole } from './console-session';
import { readMetrics } from './metrics';

const STATES = { starting: State.STARTING, running: State.RUNNING, paused: State.PAUSED } as const;
const EXITS = {
  'power-off': ExitKind.POWER_OFF,
  reset: ExitKind.RESET,
  killed: ExitKind.KILLED,
  suspended: ExitKind.SUSPENDED,
  failed: ExitKind.FAILED,
} as const;

/** hyperkit.machine.v1 over a machine that this process runs. */
export function describeMachineControl(surface: ControlSurface): DescribedService {
  const { keeper, controls } = surface;
  return describeService(MachineControl, {
    getStatus: async () => statusOf(surface),
    watchEvents: async (_request, outlet, signal) => {
      const changes = new Wakeup();
      const stop = keeper.watch(() => changes.wake());
      signal.addEventListener('abort', () => changes.wake(), { once: true });
      try {
        // A client that is behind gets the last status, not every one.
        while (!signal.aborted && keeper.exit === undefined) {
          outlet.send({ time: now(), event: { case: 'status', value: statusOf(surface) } });
          await outlet.drained();
          if (!signal.aborted && keeper.exit === undefined) await changes.next();
        }
        const { exit } = keeper;
        if (exit === undefined) return;
        const detail = exit.kind === 'failed' ? exit.detail : '';
        outlet.send({ time: now(), event: { case: 'exit', value: { kind: EXITS[exit.kind], detail } } });
      } finally {
        stop();
      }
    },
    getMetrics: async () => readMetrics(controls.vm, surface.network),
    console: async (inputs, outlet, signal) => await runConsole(surface, inputs, outlet, signal),

    listForwards: async () => {
      const ports = portsOf(surface);
      return { forwards: ports.list().map((port) => forwardOf(port, ports)) };
    },
    addForward: async ({ protocol, hostPort, guestPort }) => {
      const ports = portsOf(surface);
      const wanted = protocolOf(protocol);
      checkPort('host_port', hostPort, 0);
      checkPort('guest_port', guestPort, 1);
      const port = await ports.add(wanted, hostPort, guestPort);
      const { bindAddress: address } = ports.network;
      const opened = { protocol: wanted, address, hostPort: port.hostPort, guestPort, container: false };
      keeper.update({ ports: [...keeper.machine.ports, opened] });
      return forwardOf(port, ports);
    },
    removeForward: async ({ protocol, hostPort }) => {
      const ports = portsOf(surface);
      const wanted = protocolOf(protocol);
      if (!(await ports.remove(wanted, hostPort))) {
        const text = `cannot remove the forward of port ${hostPort}: there is none that AddForward opened`;
        throw new EngineError('HK_REQUEST_INVALID', text);
      }
      const isClosed = (port: HostPort): boolean =>
        !port.container && port.protocol === wanted && port.hostPort === hostPort;
      keeper.update({ ports: keeper.machine.ports.filter((port) => !isClosed(port)) });
      return {};
    },

    pressPowerButton: async () => {
      await runningVm(surface).powerButton();
      return {};
    },
    kill: async () => {
      const { vm } = controls;
      if (vm === undefined) controls.stop(new Error('it was killed while it was starting'));
      else await vm.kill();
      return {};
    },
    pause: async () => {
      await pausableVm(surface).pause();
      return {};
    },
    resume: async () => {
      await pausableVm(surface).resume();
      return {};
    },
    suspend: async (_request, signal) => {
      await controls.suspend(signal);
      return {};
    },
  });
}

/** One waiter for something that may happen at any time, also while nobody waits. */
class Wakeup {
  #awake = false;
  #waiter: (() => void) | undefined;

  wake(): void {
    this.#awake = true;
    this.#waiter?.();
  }

  async next(): Promise<void> {
    if (!this.#awake) await new Promise<void>((resolve) => (this.#waiter = resolve));
    this.#awake = false;
    this.#waiter = undefined;
  }
}

function statusOf({ name, keeper }: ControlSurface): MessageInitShape<typeof MachineStatusSchema> {
  const { state, pid, startedAt, backend = '', ports, resets, notice = '' } = keeper.machine;
  return {
    name,
    state: STATES[state],
    pid,
    startedAt: timestampFromDate(new Date(startedAt)),
    backend,
    listening: ports.map(({ address, hostPort }) => `${address}:${hostPort}`),
    resets,
    notice,
  };
}

function forwardOf(
  { protocol, hostPort, guestPort, added }: OpenPort,
  ports: HostPorts,
): MessageInitShape<typeof ForwardSchema> {
  return {
    protocol: protocol === 'tcp' ? Protocol.TCP : Protocol.UDP,
    hostPort,
    guestPort,
    hostAddress: ports.network.bindAddress,
    fixed: !added,
  };
}

function portsOf({ network }: ControlSurface): HostPorts {
  if (network !== undefined) return network.ports;
  throw new EngineError(
    'HK_REQUEST_UNSUPPORTED',
    "cannot change this machine's forwards: its network is its hypervisor's own",
  );
}

function protocolOf(protocol: Protocol): 'tcp' | 'udp' {
  if (protocol === Protocol.TCP) return 'tcp';
  if (protocol === Protocol.UDP) return 'udp';
  throw new EngineError('HK_REQUEST_INVALID', 'cannot use this protocol: it must be PROTOCOL_TCP or PROTOCOL_UDP');
}

function checkPort(field: string, port: number, least: number): void {
  if (port >= least && port <= 65_535) return;
  throw new EngineError('HK_REQUEST_INVALID', `cannot use ${field} ${port}: it must be between ${least} and 65535`);
}

function runningVm({ controls }: ControlSurface): RunningVm {
  if (controls.vm !== undefined) return controls.vm;
  throw new EngineError('HK_REQUEST_UNSUPPORTED', 'cannot do this now: the guest does not run yet, or any more');
}

function pausableVm(surface: ControlSurface): PausableVm {
  const vm = runningVm(surface);
  if (isPausable(vm)) return vm;
  throw new EngineError('HK_REQUEST_UNSUPPORTED', `cannot pause this machine: ${vm.backend} has no way to do it`);
}

function now(): ReturnType<typeof timestampFromDate> {
  return timestampFromDate(new Date());
}
