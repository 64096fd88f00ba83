const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space and try again',
  EDQUOT: 'the disk quota is used up; free some space and try again',
  EFBIG: 'the file system or a limit of this user does not allow files that large',
  EACCES: 'permission denied; make the folder writable for the user who runs docker-machine',
  EPERM: 'permission denied; make the folder writable for the user who runs docker-machine',
  EROFS: 'the file system is read-only',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'a part of its path is not a folder',
};

/** Why a file could not be written, in words for the user; the system's own text when there are none. */
export function describeWriteFailure(error: unknown): string {
  return (
    REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? (error instanceof Error ? error.message : String(error))
  );
}

/** True when the reason is lack of space. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
