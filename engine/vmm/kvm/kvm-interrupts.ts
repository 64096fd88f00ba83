import {
  IOEVENTFD,
  IRQ_LEVEL,
  KVM_IOEVENTFD,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IRQ_LINE,
  KVM_SIGNAL_MSI,
  MSI,
} from '../../../native/kvm';
import { libc } from '../../../native/libc';
import { allocatePinned } from '../../../native/pinned-buffer';
import type { KickRegistrar } from '../bus/kicks';
import type { InterruptLines, MessageInterrupts } from '../bus/register-device';

/**
 * The interrupt controllers inside of KVM, and its shortcut for kicks. Every thread makes its own over the VM's
 * descriptor. Failures are the guest's doing (an MSI to an address where no APIC is, two BARs at one place), so they are
 * answered as hardware does: by silence.
 */
export class KvmInterrupts implements InterruptLines, MessageInterrupts, KickRegistrar {
  readonly #line = allocatePinned(IRQ_LEVEL.size);
  readonly #msi = allocatePinned(MSI.size);
  readonly #kick = allocatePinned(IOEVENTFD.size);

  /** @param vm descriptor of the virtual machine. */
  constructor(private readonly vm: number) {}

  set(gsi: number, level: boolean): void {
    this.#line.view.setUint32(IRQ_LEVEL.irq, gsi, true);
    this.#line.view.setUint32(IRQ_LEVEL.level, Number(level), true);
    libc.ioctlQuick(this.vm, KVM_IRQ_LINE, this.#line.address);
  }

  send(addressLow: number, addressHigh: number, data: number): void {
    this.#msi.view.setUint32(MSI.addressLow, addressLow, true);
    this.#msi.view.setUint32(MSI.addressHigh, addressHigh, true);
    this.#msi.view.setUint32(MSI.data, data, true);
    libc.ioctlQuick(this.vm, KVM_SIGNAL_MSI, this.#msi.address);
  }

  /** A kick that KVM doesn't take is a write to the device's registers instead. */
  assign(address: number, eventfd: number): void {
    this.#changeKick(address, eventfd, 0);
  }

  remove(address: number, eventfd: number): void {
    this.#changeKick(address, eventfd, KVM_IOEVENTFD_FLAG_DEASSIGN);
  }

  #changeKick(address: number, eventfd: number, flags: number): void {
    const { view } = this.#kick;
    view.setBigUint64(IOEVENTFD.address, BigInt(address), true);
    // A length of 0 is any (KVM_CAP_IOEVENTFD_ANY_LENGTH).
    view.setUint32(IOEVENTFD.length, 0, true);
    view.setInt32(IOEVENTFD.fd, eventfd, true);
    view.setUint32(IOEVENTFD.flags, flags, true);
    libc.ioctlQuick(this.vm, KVM_IOEVENTFD, this.#kick.address);
  }
}
