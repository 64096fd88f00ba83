import { EngineError } from '../errors';
import type { RunningVm } from '../hypervisors/hypervisor';
import { isPausable } from '../hypervisors/pausable';

/**
 * What signals do to a machine, in HyperKit's terms: SIGTERM presses the power button, SIGUSR1 and SIGUSR2 stop and
 * start the CPUs. Ctrl-C and a closed terminal are nobody's business here.
 */
export class VmControls {
  readonly #stop = new AbortController();
  readonly #log: (line: string) => void;
  #vm: RunningVm | undefined;
  #suspend: ((signal: AbortSignal) => Promise<void>) | undefined;

  constructor(log: (line: string) => void) {
    this.#log = log;
    process.on('SIGTERM', () => this.#pressPowerButton());
    process.on('SIGUSR1', () => this.#setPaused(true));
    process.on('SIGUSR2', () => this.#setPaused(false));
    for (const ignored of ['SIGINT', 'SIGHUP'] as const) process.on(ignored, () => undefined);
  }

  /** Aborts when the machine is told to end while no guest runs that could hear the power button. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** The guest that signals mean now. */
  get vm(): RunningVm | undefined {
    return this.#vm;
  }

  /** Ends a start that is under way. */
  stop(reason: Error): void {
    this.#stop.abort(reason);
  }

  /** From now on signals mean this VM, and that is how it is suspended; with undefined, none. */
  attach(vm: RunningVm | undefined, suspend?: (signal: AbortSignal) => Promise<void>): void {
    this.#vm = vm;
    this.#suspend = suspend;
  }

  /** Saves the guest and ends it. @throws EngineError HK_REQUEST_UNSUPPORTED, HK_SUSPEND_FAILED when it runs on. */
  async suspend(signal: AbortSignal): Promise<void> {
    if (this.#suspend === undefined) {
      throw new EngineError('HK_REQUEST_UNSUPPORTED', 'cannot do this now: the guest does not run yet, or any more');
    }
    await this.#suspend(signal);
  }

  #pressPowerButton(): void {
    if (this.#vm) this.#run('press the power button', this.#vm.powerButton());
    else this.stop(new Error('it was told to stop while it was starting'));
  }

  #setPaused(paused: boolean): void {
    if (!this.#vm || !isPausable(this.#vm)) return;
    this.#run(paused ? 'pause' : 'resume', paused ? this.#vm.pause() : this.#vm.resume());
  }

  #run(what: string, action: Promise<void>): void {
    this.#log(what);
    action.catch((error: unknown) => this.#log(`cannot ${what}: ${(error as Error).message}`));
  }
}
