import type { MachineRequests, RegisterDevice } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';

/** The two ports. Port 0x61 between them is the timer's. */
export const I8042_DATA_PORT = 0x60;
export const I8042_COMMAND_PORT = 0x64;

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM_FLAG = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;

const COMMAND_READ_RAM = 0x20;
const COMMAND_WRITE_RAM = 0x60;
const COMMAND_DISABLE_MOUSE = 0xa7;
const COMMAND_ENABLE_MOUSE = 0xa8;
const COMMAND_TEST_MOUSE = 0xa9;
const COMMAND_SELF_TEST = 0xaa;
const COMMAND_TEST_KEYBOARD = 0xab;
const COMMAND_DISABLE_KEYBOARD = 0xad;
const COMMAND_ENABLE_KEYBOARD = 0xae;
const COMMAND_READ_INPUT = 0xc0;
const COMMAND_READ_OUTPUT = 0xd0;
const COMMAND_WRITE_OUTPUT = 0xd1;
const COMMAND_WRITE_KEYBOARD_BUFFER = 0xd2;
const COMMAND_WRITE_MOUSE_BUFFER = 0xd3;
const COMMAND_WRITE_MOUSE = 0xd4;

const CONTROL_SYSTEM_FLAG = 0x04;
const CONTROL_KEYBOARD_OFF = 0x10;
const CONTROL_MOUSE_OFF = 0x20;
const OUTPUT_PORT_RUNNING = 0x01;
const OUTPUT_PORT_A20 = 0x02;
/** "Clock line stuck low": how the test of a port without plug ends. */
const NOTHING_PLUGGED_IN = 0x01;

const S_PENDING_COMMAND = 0;
const S_OUTPUT_FULL = 1;
const S_OUTPUT = 2;
const S_LAST_WAS_COMMAND = 3;
const S_OUTPUT_PORT = 4;
const S_RAM = 16;
const RAM_BYTES = 32;

/**
 * A keyboard controller without keyboard and mouse: it answers its tests, so that kernels which look for it don't wait,
 * and resets the machine on command 0xFE. There is no interrupt: nothing is ever typed.
 */
export class I8042 {
  static readonly STATE_BYTES = S_RAM + RAM_BYTES;
  /** Port 0x60. */
  readonly data: RegisterDevice;
  /** Port 0x64. */
  readonly command: RegisterDevice;
  readonly #state: Uint8Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly requests: MachineRequests,
  ) {
    this.#state = new Uint8Array(shared, 0, I8042.STATE_BYTES);
    this.data = new Port(
      () => this.#readData(),
      (value) => this.#writeData(value),
    );
    this.command = new Port(
      () => this.#status(),
      (value) => this.#writeCommand(value),
    );
  }

  /** Power-on, as after a BIOS: self-test passed, both ports off. */
  reset(): void {
    this.#state.fill(0);
    this.#state[S_RAM] = CONTROL_SYSTEM_FLAG | CONTROL_KEYBOARD_OFF | CONTROL_MOUSE_OFF;
    this.#state[S_OUTPUT_PORT] = OUTPUT_PORT_RUNNING | OUTPUT_PORT_A20;
  }

  #get(index: number): number {
    return this.#state[index] as number;
  }

  #status(): number {
    return (
      STATUS_UNLOCKED |
      (this.#get(S_OUTPUT_FULL) !== 0 ? STATUS_OUTPUT_FULL : 0) |
      ((this.#get(S_RAM) & CONTROL_SYSTEM_FLAG) !== 0 ? STATUS_SYSTEM_FLAG : 0) |
      (this.#get(S_LAST_WAS_COMMAND) !== 0 ? STATUS_COMMAND : 0)
    );
  }

  #readData(): number {
    this.#state[S_OUTPUT_FULL] = 0;
    return this.#get(S_OUTPUT);
  }

  #answer(value: number): void {
    this.#state[S_OUTPUT] = value;
    this.#state[S_OUTPUT_FULL] = 1;
  }

  #writeCommand(command: number): void {
    this.#state[S_LAST_WAS_COMMAND] = 1;
    this.#state[S_PENDING_COMMAND] = 0;
    if (command >= COMMAND_READ_RAM && command < COMMAND_READ_RAM + RAM_BYTES) {
      this.#answer(this.#get(S_RAM + command - COMMAND_READ_RAM));
      return;
    }
    if (command >= COMMAND_WRITE_RAM && command < COMMAND_WRITE_RAM + RAM_BYTES) {
      this.#state[S_PENDING_COMMAND] = command;
      return;
    }
    // 0xF0 to 0xFF pulse the lines of the output port whose bits are 0; line 0 is the CPU's reset.
    if (command >= 0xf0) {
      if ((command & OUTPUT_PORT_RUNNING) === 0) this.requests.reset();
      return;
    }
    switch (command) {
      case COMMAND_DISABLE_MOUSE:
        this.#control(CONTROL_MOUSE_OFF, CONTROL_MOUSE_OFF);
        break;
      case COMMAND_ENABLE_MOUSE:
        this.#control(CONTROL_MOUSE_OFF, 0);
        break;
      case COMMAND_DISABLE_KEYBOARD:
        this.#control(CONTROL_KEYBOARD_OFF, CONTROL_KEYBOARD_OFF);
        break;
      case COMMAND_ENABLE_KEYBOARD:
        this.#control(CONTROL_KEYBOARD_OFF, 0);
        break;
      case COMMAND_SELF_TEST:
        this.#state[S_RAM] = this.#get(S_RAM) | CONTROL_SYSTEM_FLAG;
        this.#answer(0x55);
        break;
      case COMMAND_TEST_KEYBOARD:
        this.#answer(0x00);
        break;
      case COMMAND_TEST_MOUSE:
        this.#answer(NOTHING_PLUGGED_IN);
        break;
      case COMMAND_READ_INPUT:
        this.#answer(0xa0);
        break;
      case COMMAND_READ_OUTPUT:
        this.#answer(this.#get(S_OUTPUT_PORT));
        break;
      case COMMAND_WRITE_OUTPUT:
      case COMMAND_WRITE_KEYBOARD_BUFFER:
      case COMMAND_WRITE_MOUSE_BUFFER:
      case COMMAND_WRITE_MOUSE:
        this.#state[S_PENDING_COMMAND] = command;
        break;
      default:
        break;
    }
  }

  #control(mask: number, bits: number): void {
    this.#state[S_RAM] = (this.#get(S_RAM) & ~mask) | bits;
  }

  #writeData(value: number): void {
    const command = this.#get(S_PENDING_COMMAND);
    this.#state[S_LAST_WAS_COMMAND] = 0;
    this.#state[S_PENDING_COMMAND] = 0;
    if (command >= COMMAND_WRITE_RAM && command < COMMAND_WRITE_RAM + RAM_BYTES) {
      this.#state[S_RAM + command - COMMAND_WRITE_RAM] = value;
    } else if (command === COMMAND_WRITE_OUTPUT) {
      this.#state[S_OUTPUT_PORT] = value | OUTPUT_PORT_RUNNING;
      if ((value & OUTPUT_PORT_RUNNING) === 0) this.requests.reset();
    } else if (command === COMMAND_WRITE_KEYBOARD_BUFFER || command === COMMAND_WRITE_MOUSE_BUFFER) {
      // Comes back as if typed, but without the mark of a mouse's byte: so a driver learns that there is no mouse.
      this.#answer(value);
    }
    // Anything else is for a keyboard or mouse that isn't there: no answer.
  }
}

class Port extends ByteRegisters {
  constructor(
    private readonly get: () => number,
    private readonly set: (value: number) => void,
  ) {
    super();
  }

  protected readByte(offset: number): number {
    return offset === 0 ? this.get() : 0xff;
  }

  protected writeByte(offset: number, value: number): void {
    if (offset === 0) this.set(value);
  }
}
