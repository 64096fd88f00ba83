import { DriverError } from '../errors';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that a signal interrupts: the first one aborts `signal`, so that the work undoes what cannot stay; a second
 * one ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (abort.signal.aborted) {
      stopListening();
      process.kill(process.pid, name);
      return;
    }
    abort.abort(new DriverError('HK_CLIENT_GONE', `interrupted by ${name}; what had been started was undone`));
  };
  const stopListening = (): void => {
    for (const name of SIGNALS) process.off(name, onSignal);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(abort.signal);
  } finally {
    stopListening();
  }
}
