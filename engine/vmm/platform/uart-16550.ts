import type { InterruptLines } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';
import type { ByteRing } from './byte-ring';

/** Ports and interrupt inputs of a PC's first two serial ports. */
export const COM1 = { port: 0x3f8, irq: 4 } as const;
export const COM2 = { port: 0x2f8, irq: 3 } as const;
export const UART_PORTS = 8;

// Registers, and their bits, by the names of the PC16550D data sheet.
const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;
const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_TRANSMIT = 0x02;
const IIR_RECEIVE = 0x04;
const IIR_LINE = 0x06;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const LCR_DLAB = 0x80;
const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE_TEMT = 0x60;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
const MSR_TERI = 0x04;

/** The data sheet's receiver holds 16. More is kept here, so that what is typed while a guest starts isn't lost. */
const FIFO_BYTES = 64;
/** A driver sends up to 16 bytes each time it learns that the transmitter is empty. */
const BURST_BYTES = 16;

// The shared state: words of 32 bits, then the receiver's FIFO.
const S_IER = 0;
const S_FIFOS_ON = 1;
const S_LCR = 2;
const S_MCR = 3;
const S_OVERRUN = 4;
const S_MSR = 5;
const S_SCR = 6;
const S_DLL = 7;
const S_DLM = 8;
const S_THR_EMPTIED = 9;
const S_RX_START = 10;
const S_RX_COUNT = 11;
const S_INPUT_WAITS = 12;
const S_OUTPUT_STALLS = 13;
const S_LINE = 14;
const WORDS = 16;

export interface UartWires {
  readonly lines: InterruptLines;
  readonly irq: number;
  /** What the guest sends. */
  readonly output: ByteRing;
  /** There is room again after {@link Uart16550.receive} took less than it was given. Called in a vCPU's thread. */
  inputWanted(): void;
}

/**
 * A 16550A serial port (PC16550D data sheet). The transmitter takes a byte at once and says it is busy only while the
 * reader of its output is 64 KiB behind. The modem is always there.
 */
export class Uart16550 extends ByteRegisters {
  static readonly STATE_BYTES = WORDS * 4 + FIFO_BYTES;
  readonly #state: Int32Array;
  readonly #fifo: Uint8Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly wires: UartWires,
  ) {
    super();
    this.#state = new Int32Array(shared, 0, WORDS);
    this.#fifo = new Uint8Array(shared, WORDS * 4, FIFO_BYTES);
  }

  /** Power-on. */
  reset(): void {
    this.#state.fill(0);
    this.#state[S_MSR] = MSR_DCD | MSR_DSR | MSR_CTS;
    // 9600 baud: what a BIOS leaves.
    this.#state[S_DLL] = 12;
    this.wires.lines.set(this.wires.irq, false);
  }

  /**
   * What came in on the wire; for the main thread, which holds the board's lock. Answers how many bytes were taken; if
   * it is not all of them, `inputWanted` tells when to come with the rest.
   */
  receive(bytes: Uint8Array): number {
    const taken = this.#looped ? 0 : Math.min(bytes.length, FIFO_BYTES - this.#get(S_RX_COUNT));
    for (let index = 0; index < taken; index++) this.#store(bytes[index] ?? 0);
    if (taken < bytes.length) this.#state[S_INPUT_WAITS] = 1;
    this.#updateLine();
    return taken;
  }

  /** The main thread has read from the output's ring; it holds the board's lock. */
  outputDrained(): void {
    if (this.#get(S_OUTPUT_STALLS) === 0 || !this.#transmitterReady) return;
    this.#state[S_OUTPUT_STALLS] = 0;
    this.#state[S_THR_EMPTIED] = 1;
    this.#updateLine();
  }

  protected readByte(offset: number): number {
    switch (offset) {
      case RBR_THR_DLL:
        return this.#divisorLatch ? this.#get(S_DLL) : this.#readReceiver();
      case IER_DLM:
        return this.#get(this.#divisorLatch ? S_DLM : S_IER);
      case IIR_FCR:
        return this.#readInterruptId();
      case LCR:
        return this.#get(S_LCR);
      case MCR:
        return this.#get(S_MCR);
      case LSR:
        return this.#readLineStatus();
      case MSR:
        return this.#readModemStatus();
      case SCR:
        return this.#get(S_SCR);
      default:
        return 0xff;
    }
  }

  protected writeByte(offset: number, value: number): void {
    switch (offset) {
      case RBR_THR_DLL:
        if (this.#divisorLatch) this.#state[S_DLL] = value;
        else this.#transmit(value);
        break;
      case IER_DLM:
        if (this.#divisorLatch) this.#state[S_DLM] = value;
        else this.#writeInterruptEnable(value);
        break;
      case IIR_FCR:
        this.#writeFifoControl(value);
        break;
      case LCR:
        this.#state[S_LCR] = value;
        break;
      case MCR:
        this.#writeModemControl(value);
        break;
      case SCR:
        this.#state[S_SCR] = value;
        break;
      default: // LSR and MSR are read only.
        break;
    }
  }

  get #divisorLatch(): boolean {
    return (this.#get(S_LCR) & LCR_DLAB) !== 0;
  }

  get #looped(): boolean {
    return (this.#get(S_MCR) & MCR_LOOP) !== 0;
  }

  get #transmitterReady(): boolean {
    return this.#looped || this.wires.output.room >= BURST_BYTES;
  }

  #get(word: number): number {
    return this.#state[word] as number;
  }

  #store(byte: number): void {
    const count = this.#get(S_RX_COUNT);
    if (count === FIFO_BYTES) {
      this.#state[S_OVERRUN] = 1;
      return;
    }
    this.#fifo[(this.#get(S_RX_START) + count) % FIFO_BYTES] = byte;
    this.#state[S_RX_COUNT] = count + 1;
  }

  #readReceiver(): number {
    const count = this.#get(S_RX_COUNT);
    if (count === 0) return 0;
    const start = this.#get(S_RX_START);
    this.#state[S_RX_START] = (start + 1) % FIFO_BYTES;
    this.#state[S_RX_COUNT] = count - 1;
    this.#askForInput();
    this.#updateLine();
    return this.#fifo[start] as number;
  }

  #askForInput(): void {
    if (this.#get(S_INPUT_WAITS) === 0 || this.#looped || this.#get(S_RX_COUNT) > FIFO_BYTES / 2) return;
    this.#state[S_INPUT_WAITS] = 0;
    this.wires.inputWanted();
  }

  #transmit(byte: number): void {
    if (this.#looped) this.#store(byte);
    else this.wires.output.push(byte);
    if (this.#transmitterReady) this.#state[S_THR_EMPTIED] = 1;
    else {
      this.#state[S_THR_EMPTIED] = 0;
      this.#state[S_OUTPUT_STALLS] = 1;
    }
    this.#updateLine();
  }

  #writeInterruptEnable(value: number): void {
    const before = this.#get(S_IER);
    this.#state[S_IER] = value & 0x0f;
    // Asking for the transmitter's interrupt while it is empty raises it at once: drivers start sending so.
    if ((value & ~before & IER_ETBEI) !== 0) {
      if (this.#transmitterReady) this.#state[S_THR_EMPTIED] = 1;
      else this.#state[S_OUTPUT_STALLS] = 1;
    }
    this.#updateLine();
  }

  #writeFifoControl(value: number): void {
    const on = value & FCR_ENABLE;
    // Turning the FIFOs on or off empties them, too.
    if (on !== this.#get(S_FIFOS_ON) || (value & FCR_CLEAR_RECEIVER) !== 0) {
      this.#state[S_RX_COUNT] = 0;
      this.#askForInput();
    }
    this.#state[S_FIFOS_ON] = on;
    this.#updateLine();
  }

  #writeModemControl(value: number): void {
    this.#state[S_MCR] = value & 0x1f;
    let status = MSR_DCD | MSR_DSR | MSR_CTS;
    if (this.#looped) {
      status =
        ((value & MCR_RTS) !== 0 ? MSR_CTS : 0) |
        ((value & MCR_DTR) !== 0 ? MSR_DSR : 0) |
        ((value & MCR_OUT1) !== 0 ? MSR_RI : 0) |
        ((value & MCR_OUT2) !== 0 ? MSR_DCD : 0);
    }
    const before = this.#get(S_MSR);
    const changed = (before ^ status) & 0xf0;
    // The ring indicator's delta (TERI) counts only its end.
    let deltas = (before & 0x0f) | ((changed & ~MSR_RI) >> 4);
    if ((changed & before & MSR_RI) !== 0) deltas |= MSR_TERI;
    this.#state[S_MSR] = status | deltas;
    this.#askForInput();
    this.#updateLine();
  }

  #readLineStatus(): number {
    const status =
      (this.#get(S_RX_COUNT) > 0 ? LSR_DR : 0) |
      (this.#get(S_OVERRUN) !== 0 ? LSR_OE : 0) |
      (this.#transmitterReady ? LSR_THRE_TEMT : 0);
    this.#state[S_OVERRUN] = 0;
    this.#updateLine();
    return status;
  }

  #readModemStatus(): number {
    const status = this.#get(S_MSR);
    this.#state[S_MSR] = status & 0xf0;
    this.#updateLine();
    return status;
  }

  #readInterruptId(): number {
    const cause = this.#cause();
    if (cause === IIR_TRANSMIT) {
      this.#state[S_THR_EMPTIED] = 0;
      this.#updateLine();
    }
    return cause | (this.#get(S_FIFOS_ON) !== 0 ? IIR_FIFOS : 0);
  }

  #cause(): number {
    const enabled = this.#get(S_IER);
    if ((enabled & IER_ELSI) !== 0 && this.#get(S_OVERRUN) !== 0) return IIR_LINE;
    if ((enabled & IER_ERBFI) !== 0 && this.#get(S_RX_COUNT) > 0) return IIR_RECEIVE;
    if ((enabled & IER_ETBEI) !== 0 && this.#get(S_THR_EMPTIED) !== 0) return IIR_TRANSMIT;
    if ((enabled & IER_EDSSI) !== 0 && (this.#get(S_MSR) & 0x0f) !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  /** In a PC, OUT2 switches the port's interrupt through; looped back, it is not connected. */
  #updateLine(): void {
    const level = (this.#get(S_MCR) & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2 && this.#cause() !== IIR_NONE ? 1 : 0;
    if (level === this.#get(S_LINE)) return;
    this.#state[S_LINE] = level;
    this.wires.lines.set(this.wires.irq, level === 1);
  }
}
