import { EngineError } from '../../errors';
import { describeWriteFailure } from '../../storage/write-failure';
import type { SuspendRequest, SuspensionTraits } from '../suspendable';
import { receiveState } from './state-stream';
import { within } from './within';

/** How long QEMU may take to give a migration up. */
const CANCEL_MS = 10_000;

/** What saving needs of a QEMU that runs a guest. */
export interface SavableQemu {
  /** Stops the guest and writes all of its state to a unix socket. */
  sendState(socketPath: string, what: 'with memory'): Promise<void>;
  cancelState(): Promise<void>;
  goOn(): Promise<void>;
}

/** Saves a guest, which stands afterwards. @throws EngineError HK_SUSPEND_FAILED; the guest goes on. */
export async function saveQemu(vm: SavableQemu, traits: SuspensionTraits, request: SuspendRequest): Promise<void> {
  const { file, signal, deadlineMs, keep } = request;
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(new Error(`it takes more than ${deadlineMs / 1000} s`)), deadlineMs);
  const giveUp = (): void => end.abort(new Error('it was given up'));
  signal.addEventListener('abort', giveUp);
  if (signal.aborted) giveUp();
  try {
    await receiveState(file, (socket) => vm.sendState(socket, 'with memory'), end.signal);
    await keep(traits);
  } catch (cause) {
    const standing = await goOn(vm).then(
      () => '',
      (error: Error) => `; and its guest stands: ${error.message}`,
    );
    const text = `cannot suspend the machine: ${describeWriteFailure(cause)}${standing}`;
    throw new EngineError('HK_SUSPEND_FAILED', text, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

async function goOn(vm: SavableQemu): Promise<void> {
  await within(CANCEL_MS, 'QEMU does not give up saving it', vm.cancelState());
  await vm.goOn();
}
