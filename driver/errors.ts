/** Codes of everything the driver can fail with. Stable: docs/errors.md lists each with its meaning and its mend. */
export type DriverErrorCode =
  | 'HK_HOST_NOT_RUNNING'
  | 'HK_FLAG_INVALID'
  | 'HK_FLAG_UNSUPPORTED'
  | 'HK_CONFIG_INVALID'
  | 'HK_USAGE'
  | 'HK_MACHINE_UNKNOWN'
  | 'HK_MACHINE_EXISTS'
  | 'HK_MACHINE_STATE'
  | 'HK_FOREIGN_DRIVER'
  | 'HK_STORE_UNWRITABLE'
  | 'HK_MACHINE_BUSY'
  | 'HK_ADDRESS_EXHAUSTED'
  | 'HK_ISO_MISSING'
  | 'HK_ISO_DOWNLOAD_FAILED'
  | 'HK_DISK_FULL'
  | 'HK_SSH_UNREACHABLE'
  | 'HK_SSH_KEY_UNUSABLE'
  | 'HK_SSH_DENIED'
  | 'HK_SSH_LOST'
  | 'HK_SSH_TIMEOUT'
  | 'HK_SSH_COMMAND_FAILED'
  | 'HK_SSH_FORWARD_FAILED'
  | 'HK_COPY_FAILED'
  | 'HK_WARM_UNAVAILABLE'
  | 'HK_STOP_TIMEOUT'
  | 'HK_CLIENT_GONE'
  | 'HK_SERVE_REFUSED'
  | 'HK_CERTIFICATE_INVALID'
  | 'HK_PROVISION_FAILED'
  | 'HK_DOCKER_UNREACHABLE'
  | 'HK_SWARM_UNKNOWN'
  | 'HK_SWARM_EXISTS'
  | 'HK_SWARM_FAILED'
  | 'HK_POOL_UNKNOWN'
  | 'HK_POOL_BUSY'
  | 'HK_POOL_EMPTY';

/** What the driver throws; the message is shown to the user by docker-machine as it is. */
export class DriverError extends Error {
  override readonly name = 'DriverError';

  constructor(
    readonly code: DriverErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}
