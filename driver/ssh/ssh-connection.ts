import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client, ClientCallback, PseudoTtyOptions, SFTPWrapper } from 'ssh2';
import { DriverError } from '../errors';
import { collectCommand } from './collect-command';
import type { CommandOptions, CommandResult } from './command-result';
import { type RemoteCommand, watchCommand } from './remote-command';
import { formatTarget, type SshTarget } from './ssh-target';

/** A login to a machine. Everything opened over it ends with it. */
export class SshConnection {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #target: SshTarget;
  #lost: DriverError | undefined;
  #closed = false;
  readonly #ended = new AbortController();

  /** @param client that has just become ready, over `socket` */
  constructor(client: Client, socket: Socket, target: SshTarget) {
    this.#client = client;
    this.#socket = socket;
    this.#target = target;
    client.on('error', (cause) => this.#lose(cause.message, cause));
    client.on('close', () => {
      if (!this.#closed) this.#lose('the machine hung up');
      this.#ended.abort(this.#lost);
    });
  }

  /** Aborts when the connection has ended; the reason is a DriverError HK_SSH_LOST unless `close` ended it. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Runs one command by the user's shell, without a terminal, to its end. Any exit status is a result.
   * @throws DriverError HK_SSH_LOST, HK_SSH_TIMEOUT, HK_SSH_COMMAND_FAILED when the guest doesn't start it or it says too much.
   */
  async run(command: string, options: CommandOptions = {}): Promise<CommandResult> {
    return await collectCommand(await this.openCommand(command), command, options, () => this.#lost);
  }

  /**
   * Starts a command, or without one the user's shell, and leaves its streams to the caller.
   * @param terminal of the command; undefined: it has none, and its streams are clean.
   * @throws DriverError HK_SSH_LOST, HK_SSH_COMMAND_FAILED
   */
  async openCommand(command: string | undefined, terminal?: PseudoTtyOptions): Promise<RemoteCommand> {
    return await this.#open<RemoteCommand>(command ?? 'the shell', (answer) => {
      const done: ClientCallback = (error, channel) => answer(error, channel && watchCommand(channel));
      if (command === undefined) this.#client.shell(terminal ?? false, done);
      else this.#client.exec(command, terminal === undefined ? {} : { pty: terminal }, done);
    });
  }

  /** A file transfer session. @throws DriverError HK_SSH_LOST, HK_SSH_COMMAND_FAILED when the guest has no SFTP server */
  async openSftp(): Promise<SFTPWrapper> {
    return await this.#open('the SFTP server', (done) => this.#client.sftp(done));
  }

  /** A connection from the guest to an address in its network. @throws DriverError HK_SSH_LOST, HK_SSH_COMMAND_FAILED */
  async connectFromGuest(host: string, port: number): Promise<Duplex> {
    const done = (ready: ClientCallback) => this.#client.forwardOut('127.0.0.1', 0, host, port, ready);
    return await this.#open(`a connection to ${host}:${port}`, done);
  }

  close(): void {
    this.#closed = true;
    this.#client.end();
    // `end` waits for the other side, which may be dead.
    this.#socket.destroy();
  }

  async #open<T>(what: string, ask: (done: (error: Error | undefined, opened: T) => void) => void): Promise<T> {
    return await new Promise((resolve, reject) => {
      const refuse = (cause: unknown): void => {
        // A channel that was closed while it was asked for something answers with `true`.
        const why = cause instanceof Error ? cause.message : 'it was refused';
        const text = `cannot start ${what} on ${formatTarget(this.#target)}: ${why}`;
        reject(this.#lost ?? new DriverError('HK_SSH_COMMAND_FAILED', text, { cause }));
      };
      try {
        ask((error, opened) => (error ? refuse(error) : resolve(opened)));
      } catch (cause) {
        refuse(cause);
      }
    });
  }

  #lose(why: string, cause?: Error): void {
    const text = `the connection to ${formatTarget(this.#target)} was lost: ${why}`;
    this.#lost ??= new DriverError('HK_SSH_LOST', text, { cause });
  }
}
