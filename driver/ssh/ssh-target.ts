/** Where a machine's SSH server answers, and who logs in with which key. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key in PEM form, readable by its owner only. */
  readonly keyPath: string;
}

/** `docker@127.64.1.2:22`, for messages. */
export function formatTarget({ host, port, user }: SshTarget): string {
  return `${user}@${host}:${port}`;
}
