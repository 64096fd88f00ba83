/** Ties writes of the guest to eventfds inside of the kernel (KVM_IOEVENTFD), so that a kick wakes its worker without an exit. */
export interface KickRegistrar {
  /** Any write to the memory address signals `eventfd`. */
  assign(address: number, eventfd: number): void;
  remove(address: number, eventfd: number): void;
}
