import { EngineError } from '../errors';
import { boardArguments, refuseImpossible } from '../hypervisors/qemu/board-arguments';
import { connectInput } from '../hypervisors/qemu/connect-input';
import { prepareQemu } from '../hypervisors/qemu/prepare-qemu';
import { type QemuVm, startQemu } from '../hypervisors/qemu/qemu-vm';
import { openQemuNics, type QemuNics } from './qemu-nics';
import type { BoardEnd, BoardEngine, RunningBoard } from './running-board';

const MEBIBYTE = 1024 * 1024;
/** PM1a_EN of QEMU's ICH9 as its firmware places it (ACPI 4.8.3.1.2), and PWRBTN_EN in it. */
const PM1_ENABLE_PORT = 0x602;
const POWER_BUTTON_ENABLE = 1 << 8;

/** @param machineProgram dist/hyperkit-machine.cjs, which measures KVM. */
export function createQemuEngine(machineProgram: string): BoardEngine {
  return {
    check: refuseImpossible,
    start: async (start) => {
      const preparation = await prepareQemu('auto', { machineProgram });
      if (!preparation.usable) {
        throw new EngineError('HK_NO_HYPERVISOR', `cannot run virtual machines here: ${preparation.reason}`);
      }
      const { build, accelerator, note } = preparation;
      const nics = await openQemuNics(start);
      try {
        const { board, serials } = start;
        const qemu = await startQemu(
          {
            name: 'hyperkit',
            memoryMiB: Math.ceil(board.memoryBytes / MEBIBYTE),
            build,
            accelerator,
            commandLine: boardArguments(board, { accelerator, sandbox: build.sandbox, nics: nics.nics }),
            wires: { consoles: serials.map(({ line }) => line.write.bind(line)), lent: nics.descriptors },
            ownNetwork: undefined,
          },
          { machineProgram, signal: start.signal, log: start.log },
        );
        nics.release();
        for (const [index, serial] of qemu.serials.entries()) {
          const line = serials[index]?.line;
          if (line !== undefined) connectInput(serial, line);
        }
        return new QemuBoard(qemu, `QEMU ${build.version}, ${note}`, start.board.acpi, nics);
      } catch (error) {
        nics.release();
        await nics.close();
        throw error;
      }
    },
  };
}

class QemuBoard implements RunningBoard {
  readonly exited: Promise<BoardEnd>;

  constructor(
    private readonly qemu: QemuVm,
    readonly engine: string,
    private readonly acpi: boolean,
    nics: QemuNics,
  ) {
    this.exited = qemu.exited.then(async (reason) => {
      await nics.close();
      // Boards are not suspended.
      return reason.kind === 'suspended' ? { kind: 'killed' } : reason;
    });
  }

  /** QEMU has no event for it, so the guest's own register is read: the kernel enables the button when it can handle it. */
  async powerButton(): Promise<boolean> {
    if (!this.acpi) return false;
    const enabled = await this.qemu.readPort(PM1_ENABLE_PORT);
    // All ones: nothing is there yet.
    if (enabled === 0xffff || (enabled & POWER_BUTTON_ENABLE) === 0) return false;
    await this.qemu.powerButton();
    return true;
  }

  async pause(): Promise<void> {
    await this.qemu.pause();
  }

  async resume(): Promise<void> {
    await this.qemu.resume();
  }

  async kill(): Promise<void> {
    await this.qemu.kill();
  }
}
