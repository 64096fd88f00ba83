/** Codes of everything the engine can fail with. Stable: docs/errors.md lists each with its meaning and its mend. */
export type EngineErrorCode =
  | 'HK_SPEC_INVALID'
  | 'HK_ISO_UNREADABLE'
  | 'HK_ISO_INVALID'
  | 'HK_ISO_NO_KERNEL'
  | 'HK_DISK_FAILED'
  | 'HK_NO_HYPERVISOR'
  | 'HK_HYPERVISOR_FAILED'
  | 'HK_WARM_FAILED'
  | 'HK_RESTORE_FAILED'
  | 'HK_SUSPEND_FAILED'
  | 'HK_RESUME_FAILED'
  | 'HK_MACHINE_RUNNING'
  | 'HK_MACHINE_FAILED'
  | 'HK_MACHINE_TIMEOUT'
  | 'HK_ADDRESS_IN_USE'
  | 'HK_STATE_UNREADABLE'
  | 'HK_NET_UNAVAILABLE'
  | 'HK_NET_CONFIG_INVALID'
  | 'HK_NET_PROTOCOL'
  | 'HK_FORWARD_FAILED'
  | 'HK_GUEST_FAULT'
  | 'HK_KVM_FAILED'
  | 'HK_BOOT_FAILED'
  | 'HK_DEVICE_FAILED'
  | 'HK_REQUEST_INVALID'
  | 'HK_REQUEST_UNSUPPORTED'
  | 'HK_UNEXPECTED'
  | 'HK_CONSOLE_UNAVAILABLE';

/** What the engine throws: one line for the person reading it (what failed, why, what to do), a stable code, the cause. */
export class EngineError extends Error {
  override readonly name = 'EngineError';

  constructor(
    readonly code: EngineErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}
