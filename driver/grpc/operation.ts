import type { Outlet } from '../../engine/grpc/handlers';
import { Level, type OperationEventSchema } from '../../proto/generated/hyperkit/driver/v1/driver_pb';
import type { Logger } from '../contract/logger';
import type { MachineDriver } from '../contract/machine-driver';
import { untilAborted } from '../contract/until-aborted';
import { DriverError } from '../errors';

/**
 * Runs an operation of a driver; when nobody waits for it any more the driver is told, and has undone it by the time
 * this rejects.
 */
export async function runUntilAbandoned(
  driver: MachineDriver,
  signal: AbortSignal,
  operation: () => Promise<void>,
): Promise<void> {
  try {
    await untilAborted(driver, signal, operation);
  } catch (error) {
    throw signal.aborted ? abandoned(error) : error;
  }
}

/** What becomes of a call that nobody waits for. */
export function abandoned(cause?: unknown): DriverError {
  return new DriverError('HK_CLIENT_GONE', 'the call was given up; what it had started was undone', { cause });
}

/** What the driver says about an operation, as its events. What is for whoever looks for a fault goes to `log`. */
export function logTo(outlet: Outlet<typeof OperationEventSchema>, log: (line: string) => void): Logger {
  const begunMs = performance.now();
  const say = (level: Level, text: string): void => {
    const elapsedMs = BigInt(Math.round(performance.now() - begunMs));
    outlet.send({ event: { case: 'progress', value: { level, text, elapsedMs } } });
  };
  return {
    info: (text) => say(Level.INFO, text),
    warn: (text) => say(Level.WARNING, text),
    debug: () => undefined,
    error: log,
  };
}
