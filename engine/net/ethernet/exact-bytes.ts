import { allocatePinned } from '../../../native/pinned-buffer';
import { EAGAIN, sockets } from '../../../native/sockets';
import { RESPONSE_BYTES } from './codec';

const outgoing = allocatePinned(RESPONSE_BYTES);

/**
 * Sends a message of the handshake. A socket that has no room for one is not a peer's that reads.
 * @returns whether all of it went.
 */
export function sendMessage(fd: number, message: Buffer): boolean {
  message.copy(outgoing.bytes);
  return sockets.send(fd, outgoing.address, message.length) === message.length;
}

/** Collects messages of known length and reads no byte beyond them: what follows is somebody else's. */
export class MessageReader {
  readonly #input = allocatePinned(RESPONSE_BYTES);
  #filled = 0;

  /** The message, valid until the next call; or there is not enough of it yet; or there never will be. */
  read(fd: number, length: number): Buffer | 'incomplete' | 'ended' {
    while (this.#filled < length) {
      const received = sockets.receive(fd, this.#input.address + this.#filled, length - this.#filled);
      if (received === -EAGAIN) return 'incomplete';
      if (received <= 0) return 'ended';
      this.#filled += received;
    }
    this.#filled = 0;
    return this.#input.bytes.subarray(0, length);
  }
}
