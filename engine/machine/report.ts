import { EngineError, type EngineErrorCode } from '../errors';
import { parseJsonObject } from '../json-object';
import { decodeLiveMachine, type LiveMachine } from './runtime-state';

/** The one line that a machine process sends to whoever launched it. */
export type LaunchReport =
  | { readonly ready: LiveMachine }
  | { readonly failed: { readonly code: EngineErrorCode; readonly message: string } };

export function encodeReport(report: LaunchReport): string {
  return `${JSON.stringify(report)}\n`;
}

/** Undefined when the line is not a report. */
export function decodeReport(line: string): LaunchReport | undefined {
  const json = parseJsonObject(line);
  const { ready, failed } = (json ?? {}) as Partial<Record<'ready' | 'failed', Readonly<Record<string, unknown>>>>;
  if (ready) {
    const machine = decodeLiveMachine(ready);
    return machine && { ready: machine };
  }
  if (typeof failed?.code !== 'string' || typeof failed.message !== 'string') return undefined;
  return { failed: { code: failed.code as EngineErrorCode, message: failed.message } };
}

const FOLDER_TROUBLES = new Set(['EACCES', 'EROFS', 'EPERM', 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** The failure as an error of the engine, whatever was thrown. */
export function toEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const cause = error as NodeJS.ErrnoException;
  if (cause?.code === 'ENOSPC' || cause?.code === 'EDQUOT') {
    return new EngineError(
      'HK_MACHINE_FAILED',
      `cannot start the machine: the disk is full (${cause.message}); free some space`,
      { cause },
    );
  }
  if (FOLDER_TROUBLES.has(cause?.code ?? '')) {
    const text = `cannot use the machine's folder: ${cause.message}; it must exist and be writable for this user`;
    return new EngineError('HK_STATE_UNREADABLE', text, { cause });
  }
  return new EngineError('HK_MACHINE_FAILED', `cannot start the machine: ${cause?.message ?? String(error)}`, {
    cause,
  });
}
