import { connectInput } from '../hypervisors/native/connect-input';
import { enterSandbox } from '../sandbox/enter-sandbox';
import type {
  BoardAttachments,
  RunningBoard as NativeBoard,
  SerialLine as NativeLine,
} from '../vmm/board/board-attachments';
import { VcpuWorkers } from '../vmm/vcpu/vcpu-workers';
import { boardPlaces } from './board-places';
import type { BoardEngine, ConnectedSerial, RunningBoard } from './running-board';

/** Runs boards inside of this process, on /dev/kvm. */
export const nativeEngine: BoardEngine = {
  check: () => undefined,
  start: async (start) => {
    const { board, serials, log, trace } = start;
    const { openNativeNics } = await import('./native-nics');
    const nics = await openNativeNics(start);
    const closeSandbox = enterSandbox(boardPlaces(board, start.pidFile), log);
    try {
      // They load while this thread loads the rest.
      const workers = new VcpuWorkers(board.vcpus);
      const startBoard = await loadBoard(workers);
      const native = await startBoard(board, {
        ...attachSerials(serials),
        nics: nics.backends,
        reactor: nics.reactor,
        ...{ workers, trace, log },
      });
      closeSandbox();
      for (const { line, wire } of wiresOf(serials)) connectInput(native, wire, line);
      return toRunningBoard(native, nics.close);
    } catch (error) {
      await nics.close();
      throw error;
    }
  },
};

/** @throws whatever goes wrong; the threads are told to end then. */
async function loadBoard(workers: VcpuWorkers) {
  try {
    return (await import('../vmm/board/start-board')).startBoard;
  } catch (error) {
    workers.stop();
    throw error;
  }
}

interface Wired extends ConnectedSerial {
  readonly wire: NativeLine;
}

/** PCI cards are counted in the order of their slots, which is their order here. */
function wiresOf(serials: readonly ConnectedSerial[]): readonly Wired[] {
  let cards = 0;
  return serials.map((serial) => ({
    ...serial,
    wire: typeof serial.place === 'object' ? cards++ : serial.place,
  }));
}

function attachSerials(serials: readonly ConnectedSerial[]): Omit<BoardAttachments, 'nics' | 'reactor' | 'log'> {
  const wired = wiresOf(serials);
  const lineOf = (wire: NativeLine) => wired.find((candidate) => candidate.wire === wire)?.line;
  return {
    com1: lineOf('com1'),
    com2: lineOf('com2'),
    cards: wired.filter(({ wire }) => typeof wire === 'number').map(({ line }) => line),
    debugConsole: lineOf('debug-console'),
    debugger: lineOf('debugger'),
  };
}

function toRunningBoard(native: NativeBoard, close: () => Promise<void>): RunningBoard {
  return {
    engine: 'the native engine, KVM',
    powerButton: async () => {
      if (!native.acpiEnabled) return false;
      native.powerButton();
      return true;
    },
    pause: () => native.pause(),
    resume: () => native.resume(),
    kill: () => native.kill(),
    exitCounts: () => native.exitCounts(),
    exited: native.exited.then(async (exit) => {
      await close();
      return exit;
    }),
  };
}
