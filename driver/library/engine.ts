import type { Vm, VmOptions } from './vm';

/** Virtual machines without Docker. */
export const Engine = {
  /**
   * Boots a kernel in a virtual machine with a network of its own; resolves when guest code runs. It belongs to this
   * process and ends with it.
   * @throws EngineError HK_SPEC_INVALID, HK_NO_HYPERVISOR, HK_HYPERVISOR_FAILED, HK_BOOT_FAILED, HK_DISK_FAILED,
   * HK_ADDRESS_IN_USE, HK_NET_UNAVAILABLE, HK_KVM_FAILED; nothing is left behind then
   */
  async start(options: VmOptions): Promise<Vm> {
    const { startVm } = await import('./start-vm');
    return await startVm(options);
  },
} as const;
