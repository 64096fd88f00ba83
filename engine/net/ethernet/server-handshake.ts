import type { Reactor } from '../reactor/reactor';
import {
  COMMAND_BYTES,
  decodeCommand,
  decodeInit,
  type EthernetCommand,
  encodeInit,
  INIT_BYTES,
  PROTOCOL_VERSION,
} from './codec';
import { MessageReader, sendMessage } from './exact-bytes';

/** The server's side, as far as the client's wish. */
export class ServerHandshake {
  readonly #reader = new MessageReader();
  readonly #finish: (command: EthernetCommand | undefined) => void;
  #awaits: 'init' | 'command' | 'nothing' = 'init';

  /** `done` gets the wish, or nothing when there is none to be fulfilled; the descriptor is its to close, once. */
  constructor(
    reactor: Reactor,
    private readonly fd: number,
    deadlineMs: number,
    done: (command: EthernetCommand | undefined) => void,
  ) {
    const watch = reactor.watch(fd, () => this.#read());
    const timer = reactor.timer(() => this.abandon());
    timer.set(reactor.nowMs + deadlineMs);
    this.#finish = (command) => {
      this.#awaits = 'nothing';
      timer.clear();
      watch.close();
      done(command);
    };
  }

  /** Gives up. */
  abandon(): void {
    if (this.#awaits !== 'nothing') this.#finish(undefined);
  }

  #read(): void {
    if (this.#awaits === 'init') {
      const message = this.#reader.read(this.fd, INIT_BYTES);
      if (message === 'incomplete') return;
      // Nobody looks at a client's magic; one of another version still learns ours.
      const isHeard = message !== 'ended' && sendMessage(this.fd, encodeInit());
      if (!isHeard || decodeInit(message).version !== PROTOCOL_VERSION) {
        this.abandon();
        return;
      }
      this.#awaits = 'command';
    }
    if (this.#awaits === 'command') {
      const message = this.#reader.read(this.fd, COMMAND_BYTES);
      if (message === 'incomplete') return;
      this.#finish(message === 'ended' ? undefined : decodeCommand(message));
    }
  }
}
