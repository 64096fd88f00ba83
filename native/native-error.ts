import { constants } from 'node:os';

/** A call into the C library or the kernel that failed. */
export class NativeError extends Error {
  override readonly name = 'NativeError';

  constructor(
    /** E.g. `ioctl(KVM_CREATE_VM)`. */
    readonly call: string,
    /** E.g. `EBUSY`; the number itself when it has no name here. */
    readonly errno: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${call}: ${errno}`, options);
  }
}

/** Name of an error number of this platform. */
export function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno);
  return found ? found[0] : `errno ${errno}`;
}
