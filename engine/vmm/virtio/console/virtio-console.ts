import { EngineError } from '../../../errors';
import type { VirtioDevice, VirtioIdentity } from '../device-model';
import { scatter } from '../segments';
import { serveQueue } from '../serve-queue';
import type { Virtqueue } from '../virtqueue';

const VIRTIO_ID_CONSOLE = 3;
/** A simple communication controller of no special kind, as QEMU's. */
const PCI_CLASS = 0x07_8000;
/** 0 u16 columns, 2 u16 rows, 4 u32 ports, 8 u32 emergency write: fields of features that are not offered. */
const CONFIG_BYTES = 12;
const QUEUE_SIZE = 64;
const RECEIVE = 0;
const TRANSMIT = 1;
/** Linux writes pages. */
const MAX_OUTPUT_BYTES = 0x10_0000;

export interface ConsoleTerminal {
  /** Takes what the guest sends; the bytes are the callee's. */
  write(bytes: Uint8Array): void;
  /** There is room for input again, after {@link VirtioConsole.type} could not take everything. */
  inputWanted(): void;
}

/** A console of one port (virtio 1.2, 5.3): hvc0 in a Linux guest. */
export class VirtioConsole implements VirtioDevice {
  readonly identity: VirtioIdentity = {
    type: VIRTIO_ID_CONSOLE,
    pciClass: PCI_CLASS,
    features: 0n,
    queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
    config: new Uint8Array(CONFIG_BYTES),
    writableConfig: [],
  };
  #receive: Virtqueue | undefined;
  #transmit: Virtqueue | undefined;
  #inputWaits = false;
  #terminal: ConsoleTerminal | undefined;

  /** Until then, what the guest sends is dropped. */
  connect(terminal: ConsoleTerminal): void {
    this.#terminal = terminal;
  }

  activate(queues: ReadonlyArray<Virtqueue | undefined>): void {
    this.#receive = queues[RECEIVE];
    this.#transmit = queues[TRANSMIT];
  }

  notified(index: number): void {
    if (index === TRANSMIT) this.#takeOutput();
    else if (this.#inputWaits) {
      this.#inputWaits = false;
      this.#terminal?.inputWanted();
    }
  }

  /**
   * Input for the guest; answers how many bytes were taken. The others may be typed again when the terminal's
   * `inputWanted` was called.
   */
  type(bytes: Uint8Array): number {
    let typed = 0;
    try {
      typed = this.#giveInput(bytes);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#receive?.fail(error);
    }
    this.#inputWaits = typed < bytes.length;
    return typed;
  }

  deactivate(): void {
    this.#receive = undefined;
    this.#transmit = undefined;
  }

  close(): void {}

  #giveInput(bytes: Uint8Array): number {
    const queue = this.#receive;
    if (queue === undefined) return 0;
    let typed = 0;
    serveQueue(queue, ({ head, writable }) => {
      if (typed === bytes.length) return false;
      const count = scatter(queue.memory, writable, bytes.subarray(typed));
      queue.push(head, count);
      typed += count;
      return true;
    });
    return typed;
  }

  #takeOutput(): void {
    const queue = this.#transmit;
    if (queue === undefined) return;
    serveQueue(queue, ({ head, readable, readableBytes }) => {
      if (readableBytes > MAX_OUTPUT_BYTES) {
        throw new EngineError('HK_GUEST_FAULT', `the guest's console sent ${readableBytes} bytes at once`);
      }
      for (const { address, length } of readable) this.#terminal?.write(queue.memory.slice(address, length).slice());
      queue.push(head, 0);
      return true;
    });
  }
}
