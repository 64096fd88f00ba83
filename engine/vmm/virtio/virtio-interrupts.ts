import type { PciFunction, PciFunctionWires } from '../pci/pci-function';
import { ISR_CONFIG, ISR_QUEUE, QUEUE_WORDS, type TransportState, WORDS } from './transport-state';

/**
 * How a virtio device interrupts (virtio 1.2, 4.1.5): each queue by the MSI-X vector that the driver chose for it, or, if
 * the driver doesn't use MSI-X, by one interrupt for all and the ISR register. Whoever calls holds the board's lock.
 */
export class VirtioInterrupts {
  constructor(
    private readonly state: TransportState,
    private readonly pci: PciFunction,
    private readonly wires: PciFunctionWires,
  ) {}

  /** Queue `index` has used buffers. */
  raiseQueue(index: number): void {
    this.#raise(this.state.getQueue(index, QUEUE_WORDS.vector), ISR_QUEUE);
  }

  /** The configuration space has changed, or the device needs a reset. */
  raiseConfig(): void {
    this.#raise(this.state.get(WORDS.configVector), ISR_CONFIG);
  }

  /** The ISR register: reading it takes what it says. */
  takeIsr(): number {
    const isr = this.state.get(WORDS.isr);
    this.lower();
    return isr;
  }

  lower(): void {
    this.state.set(WORDS.isr, 0);
    this.pci.setIntx(false, this.wires.lines);
  }

  #raise(vector: number, isr: number): void {
    const { msix } = this.pci;
    if (msix?.enabled) {
      msix.signal(vector, this.wires.messages);
      return;
    }
    this.state.set(WORDS.isr, this.state.get(WORDS.isr) | isr);
    if (!this.pci.signalMsi(this.wires.messages)) this.pci.setIntx(true, this.wires.lines);
  }
}
