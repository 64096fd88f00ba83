import type { ByteRing } from '../platform/byte-ring';
import type { VirtioConsole } from '../virtio/console/virtio-console';
import type { Board, DebugPort, Serial } from './assemble-board';
import type { BoardAttachments, SerialLine, SerialSink } from './board-attachments';
import type { PluggedDevice } from './plug-devices';

/** Bytes of one line handed over in a row, before others get their turn. */
const DRAIN_BYTES = 65_536;

interface Line {
  /** Undefined: it gives its output to the sink by itself. */
  readonly output: ByteRing | undefined;
  readonly sink: SerialSink | undefined;
  /** After the ring was read. */
  drained(): void;
  receive(bytes: Uint8Array): number;
  /** Wants to know of room for input. */
  listener: (() => void) | undefined;
  /** Input was refused, so the listener is due. */
  waits: boolean;
}

/** The main thread's end of a board's serial lines and debug ports. */
export class SerialLines {
  readonly #lines = new Map<SerialLine, Line>();

  constructor(
    private readonly board: Board,
    devices: readonly PluggedDevice[],
    attachments: BoardAttachments,
  ) {
    this.#addSerial('com1', board.com1, attachments.com1);
    this.#addSerial('com2', board.com2, attachments.com2);
    const cards = board.cards.values();
    let number = 0;
    for (const { slot, hvc } of devices) {
      const sink = attachments.cards?.[number];
      if (hvc !== undefined) this.#addConsole(number++, hvc, sink);
      else if (slot.device.kind === 'serial') this.#addSerial(number++, cards.next().value, sink);
    }
    this.#addDebugPort('debug-console', board.debugConsole, attachments.debugConsole);
    this.#addDebugPort('debugger', board.debugger, attachments.debugger);
  }

  #addSerial(name: SerialLine, serial: Serial | undefined, sink: SerialSink | undefined): void {
    if (serial === undefined) return;
    const { lock } = this.board;
    this.#lines.set(name, {
      output: serial.output,
      sink,
      drained: () => lock.run(() => serial.uart.outputDrained()),
      receive: (bytes) => lock.run(() => serial.uart.receive(bytes)),
      listener: undefined,
      waits: false,
    });
  }

  #addConsole(name: SerialLine, hvc: VirtioConsole, sink: SerialSink | undefined): void {
    const line: Line = {
      output: undefined,
      sink,
      drained: () => undefined,
      receive: (bytes) => hvc.type(bytes),
      listener: undefined,
      waits: false,
    };
    hvc.connect({ write: (bytes) => sink?.write(bytes), inputWanted: () => roomForInput(line) });
    this.#lines.set(name, line);
  }

  #addDebugPort(name: SerialLine, port: DebugPort | undefined, sink: SerialSink | undefined): void {
    if (port === undefined) return;
    const { input, output } = port;
    const receive = (bytes: Uint8Array): number => {
      const taken = Math.min(bytes.length, input.room);
      for (let index = 0; index < taken; index++) input.push(bytes[index] as number);
      return taken;
    };
    this.#lines.set(name, { output, sink, drained: () => undefined, receive, listener: undefined, waits: false });
  }

  /** Hands over what the guest has sent. True: there is more, come again. */
  drain(): boolean {
    let more = false;
    for (const { output, sink, drained } of this.#lines.values()) {
      if (output === undefined) continue;
      let any = false;
      const left = output.drain(DRAIN_BYTES, (bytes) => {
        any = true;
        sink?.write(bytes);
      });
      if (any) drained();
      more ||= left;
    }
    return more;
  }

  typeIn(name: SerialLine, bytes: Uint8Array): number {
    const line = this.#lines.get(name);
    // A wire to nowhere takes everything.
    if (line === undefined) return bytes.length;
    const taken = line.receive(bytes);
    line.waits = taken < bytes.length;
    return taken;
  }

  onTypeReady(name: SerialLine, listener: () => void): void {
    const line = this.#lines.get(name);
    if (line !== undefined) line.listener = listener;
  }

  /** A line may have room for input again. */
  inputWanted(): void {
    for (const line of this.#lines.values()) roomForInput(line);
  }
}

function roomForInput(line: Line): void {
  if (!line.waits) return;
  line.waits = false;
  line.listener?.();
}
