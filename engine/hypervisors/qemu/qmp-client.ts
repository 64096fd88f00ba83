import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors';
import { encodeCommand, QmpDecoder, type QmpMessage } from './qmp-codec';

/** The commands in use, with their arguments and answers. */
interface QmpCommands {
  readonly qmp_capabilities: unknown;
  readonly 'query-status': { readonly status: string; readonly running: boolean };
  readonly system_powerdown: unknown;
  readonly stop: unknown;
  readonly cont: unknown;
  readonly 'human-monitor-command': string;
  readonly 'migrate-set-capabilities': unknown;
  readonly 'migrate-set-parameters': unknown;
  readonly migrate: unknown;
  readonly 'migrate-incoming': unknown;
  readonly migrate_cancel: unknown;
}

type QmpCommand = keyof QmpCommands;

const COMMAND_DEADLINE_MS = 10_000;

export type QmpEvent = Extract<QmpMessage, { readonly kind: 'event' }>;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Talks QMP over a stream. When the stream ends or speaks something else, every waiting and later command fails. */
export class QmpClient {
  readonly #stream: Duplex;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #decoder = new QmpDecoder();
  #greeting: Waiting | undefined;
  #greeted = false;
  #failure: EngineError | undefined;
  #lastId = 0;

  constructor(stream: Duplex, onEvent: (event: QmpEvent) => void) {
    this.#stream = stream;
    this.#onEvent = onEvent;
    stream.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    stream.on('error', (cause) => this.#fail('the connection broke', cause));
    stream.on('close', () => this.#fail('QEMU closed the connection'));
  }

  /** Waits for the greeting and enters command mode. @throws EngineError HK_HYPERVISOR_FAILED */
  async connect(deadlineMs: number): Promise<void> {
    if (!this.#greeted) {
      await this.#withDeadline('its greeting', deadlineMs, (waiting) => {
        this.#greeting = waiting;
      });
    }
    await this.execute('qmp_capabilities', deadlineMs);
  }

  /** @throws EngineError HK_HYPERVISOR_FAILED when QEMU refuses, does not answer in time, or is gone. */
  async execute<Name extends QmpCommand>(
    name: Name,
    deadlineMs = COMMAND_DEADLINE_MS,
    commandArguments?: Readonly<Record<string, unknown>>,
  ): Promise<QmpCommands[Name]> {
    const id = ++this.#lastId;
    try {
      return await this.#withDeadline(`an answer to ${name}`, deadlineMs, (waiting) => {
        this.#waiting.set(id, waiting);
        this.#stream.write(encodeCommand(name, id, commandArguments));
      });
    } finally {
      this.#waiting.delete(id);
    }
  }

  async #withDeadline<Value>(what: string, deadlineMs: number, begin: (waiting: Waiting) => void): Promise<Value> {
    if (this.#failure) throw this.#failure;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Value>((resolve, reject) => {
        const late = `QEMU did not send ${what} within ${deadlineMs / 1000} s; it hangs, or this computer is overloaded`;
        timer = setTimeout(() => reject(new EngineError('HK_HYPERVISOR_FAILED', late)), deadlineMs);
        begin({ resolve: (value) => resolve(value as Value), reject });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(chunk: Uint8Array): void {
    if (this.#failure) return;
    let messages: QmpMessage[];
    try {
      messages = this.#decoder.push(chunk);
    } catch (cause) {
      this.#fail(`what came is not QMP: ${(cause as Error).message}`, cause);
      this.#stream.destroy();
      return;
    }
    for (const message of messages) this.#dispatch(message);
  }

  #dispatch(message: QmpMessage): void {
    switch (message.kind) {
      case 'greeting':
        this.#greeted = true;
        this.#greeting?.resolve(undefined);
        return;
      case 'event':
        this.#onEvent(message);
        return;
      case 'return':
        if (message.id !== undefined) this.#waiting.get(message.id)?.resolve(message.value);
        return;
      case 'error':
        if (message.id !== undefined) {
          const text = `QEMU refused a command: ${message.description}`;
          this.#waiting.get(message.id)?.reject(new EngineError('HK_HYPERVISOR_FAILED', text));
        }
    }
  }

  #fail(reason: string, cause?: unknown): void {
    this.#failure ??= new EngineError('HK_HYPERVISOR_FAILED', `cannot control QEMU: ${reason}`, { cause });
    this.#greeting?.reject(this.#failure);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
  }
}
