import type { MachineDriver } from './machine-driver';

/**
 * Runs one of a driver's long operations; an abort makes the driver undo it, and the rejection is the signal's reason.
 */
export async function untilAborted(
  driver: Pick<MachineDriver, 'abandon'>,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  const onAbort = (): void => void driver.abandon();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
