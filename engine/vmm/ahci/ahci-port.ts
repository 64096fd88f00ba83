import { EngineError } from '../../errors';
import type { BoardLock } from '../bus/board-lock';
import type { GuestMemory } from '../memory/guest-memory';
import { ATA_ERR, ERROR_DIAGNOSED, IS_DHRS, IS_HBFS, IS_PSS, IS_TFES, SLOTS } from './ahci-layout';
import type { AhciState, TakenSlot } from './ahci-state';
import { CommandData } from './command-data';
import { readCommand, readRegions, writeMoved } from './command-list';
import type { Drive, Outcome } from './drive';
import {
  type HostFrame,
  pioSetupFrame,
  RECEIVED_PIO_SETUP,
  RECEIVED_REGISTER,
  readHostFrame,
  registerFrame,
} from './fis';

const CONTROL_SOFT_RESET = 0x04;
const MAX_REPORTS = 16;

export interface AhciPortSurroundings {
  readonly memory: GuestMemory;
  readonly lock: BoardLock;
  /** Signals the eventfd again that {@link AhciPort.notified} answers. */
  readonly again: () => void;
  /** A command was refused for what its driver did, or failed by a mistake of ours. */
  readonly report: (fault: Error) => void;
}

/** The half of an AHCI controller that executes commands, in a thread that may block. */
export class AhciPort {
  readonly #data: CommandData;
  #softReset = false;
  #reports = 0;

  constructor(
    private readonly state: AhciState,
    private readonly drive: Drive,
    private readonly surroundings: AhciPortSurroundings,
  ) {
    this.#data = new CommandData(surroundings.memory);
  }

  /** The registers' eventfd was signalled: executes what was issued, but lets others have their turn. */
  notified(): void {
    for (let count = 0; count < SLOTS; count++) {
      const taken = this.#locked(() => {
        this.#sendSignature();
        return this.state.take();
      });
      if (taken === undefined) return;
      this.#execute(taken);
    }
    this.surroundings.again();
  }

  #execute(taken: TakenSlot): void {
    try {
      this.#executeFrame(taken);
    } catch (error) {
      this.#report(error as Error);
      this.#complete(taken, () => this.#halt(IS_HBFS));
    }
  }

  #executeFrame(taken: TakenSlot): void {
    const { memory } = this.surroundings;
    const command = readCommand(memory, taken.commandList, taken.slot);
    const frame = readHostFrame(command.frame);
    if (frame === undefined) throw new EngineError('HK_GUEST_FAULT', "the guest's driver issued a command without FIS");
    if (!frame.isCommand) {
      this.#control(taken, frame);
      return;
    }
    this.#data.use(readRegions(memory, command, this.drive.dataBytes(frame, command.packet)));
    const outcome = this.drive.execute(frame, command.packet, this.#data);
    this.#complete(taken, () => this.#finish(taken, frame, outcome));
  }

  /** The device control register: bit SRST on, then off, is a reset by software. */
  #control(taken: TakenSlot, frame: HostFrame): void {
    const on = (frame.control & CONTROL_SOFT_RESET) !== 0;
    const done = this.#softReset && !on;
    this.#softReset = on;
    this.#complete(taken, () => {
      this.#clearIssue(taken);
      if (!done) return;
      this.state.showSignature();
      this.state.set('signatureWaits', 1);
      this.#sendSignature();
    });
  }

  #complete(taken: TakenSlot, act: () => void): void {
    this.#locked(() => {
      if (this.state.isCurrent(taken)) {
        try {
          act();
        } catch (error) {
          this.#report(error as Error);
          this.#halt(IS_HBFS);
        }
      }
      this.state.release();
    });
  }

  #finish(taken: TakenSlot, frame: HostFrame, outcome: Outcome): void {
    const { state } = this;
    const { memory } = this.surroundings;
    const { status, error, lba = frame.lba, count = frame.count, pioIn = false } = outcome;
    const task = { status, error, lba, count };
    const failed = (status & ATA_ERR) !== 0;
    writeMoved(memory, taken.commandList, taken.slot, this.#data.moved);
    const area = state.receiveArea;
    const asPio = pioIn && !failed;
    if (area !== undefined) {
      if (asPio) memory.slice(area + RECEIVED_PIO_SETUP, 20).set(pioSetupFrame(task, this.#data.moved));
      else memory.slice(area + RECEIVED_REGISTER, 20).set(registerFrame(task, true));
    }
    state.set('taskFile', (error << 8) | status);
    if (failed) {
      this.#halt(IS_DHRS | IS_TFES);
      return;
    }
    this.#clearIssue(taken);
    state.raise(asPio ? IS_PSS : IS_DHRS);
  }

  #clearIssue({ slot }: TakenSlot): void {
    this.state.set('commandIssue', this.state.get('commandIssue') & ~(1 << slot));
  }

  /** The port stands still until its driver stops it. The slot's bit stays: so the driver sees which one it was. */
  #halt(causes: number): void {
    this.state.set('halted', 1);
    this.state.raise(causes);
  }

  /** The device's first frame after a reset, as soon as the driver takes frames. */
  #sendSignature(): void {
    const { state } = this;
    const area = state.receiveArea;
    if (state.get('signatureWaits') === 0 || area === undefined) return;
    state.set('signatureWaits', 0);
    this.#softReset = false;
    this.drive.reset();
    const { value, status } = state.signature;
    const task = { status, error: ERROR_DIAGNOSED, lba: Math.floor(value / 0x100), count: value & 0xff };
    try {
      this.surroundings.memory.slice(area + RECEIVED_REGISTER, 20).set(registerFrame(task, false));
    } catch (error) {
      this.#report(error as Error);
      this.#halt(IS_HBFS);
    }
  }

  /** A guest can't fill the log. */
  #report(fault: Error): void {
    if (this.#reports++ < MAX_REPORTS) this.surroundings.report(fault);
  }

  #locked<T>(action: () => T): T {
    return this.surroundings.lock.run(action);
  }
}
