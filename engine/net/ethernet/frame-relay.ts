import type { Link, OutgoingFrame } from '../link/link';
import type { Framing } from '../link/stream-link';
import type { Reactor } from '../reactor/reactor';
import { type FrameFilter, moveFrames, RelaySide } from './relay-side';

const ROUNDS_IN_A_ROW = 4;

/**
 * Carries frames between a machine (the near side) and a network (the far side) that tell frames apart in different
 * ways. Loses none while both are there: who is not read from waits. While a side is missing the other one's frames go
 * nowhere, as with a cable unplugged.
 */
export class FrameRelay {
  #near: RelaySide | undefined;
  #far: RelaySide | undefined;
  #filter: FrameFilter | undefined;
  #port: MachinePort | undefined;

  constructor(
    private readonly reactor: Reactor,
    private readonly farEnded: () => void,
  ) {}

  /** Plugs in the machine; the relay owns the descriptor from now on. */
  plugNear(fd: number, framing: Framing): void {
    this.#near?.close();
    const near = this.#open(fd, framing, () => {
      near.close();
      if (this.#near !== near) return;
      this.#near = undefined;
      // It may have waited for the machine's room.
      this.#far?.watch.again();
    });
    near.filter = this.#filter;
    this.#near = near;
  }

  /** Plugs in the network; the relay owns the descriptor from now on. */
  plugFar(fd: number, framing: Framing): void {
    this.#far?.close();
    // A frame of which the machine has got a part stays whole: only whole frames were ever queued for it.
    const far = this.#open(fd, framing, () => {
      far.close();
      if (this.#far === far) this.#far = undefined;
      this.#near?.watch.again();
      this.farEnded();
    });
    this.#far = far;
  }

  /** A second sender to the machine, in this process. It is given what `take` says is its own of the machine's frames. */
  openPort(name: string, take: FrameFilter): Link {
    this.#filter = take;
    if (this.#near !== undefined) this.#near.filter = take;
    this.#port = new MachinePort(name, this.reactor, () => this.#near);
    return this.#port;
  }

  close(): void {
    this.#near?.close();
    this.#near = undefined;
    this.#far?.close();
    this.#far = undefined;
    this.#port?.close();
  }

  #open(fd: number, framing: Framing, ended: () => void): RelaySide {
    const side = new RelaySide(this.reactor, fd, framing, () => {
      if (!this.#carry(side)) ended();
      this.#port?.drained();
    });
    return side;
  }

  /** False when the side has come to its end. */
  #carry(side: RelaySide): boolean {
    side.isReadable = true;
    side.isWritable = true;
    const peer = side === this.#near ? this.#far : this.#near;
    // What waits for this side's room, and what this side brings.
    for (let round = 0; round < ROUNDS_IN_A_ROW; round++) {
      const toSide = peer !== undefined && moveFrames(peer, side);
      const fromSide = moveFrames(side, peer);
      side.write();
      if (peer?.isOver === true) peer.watch.again();
      if (side.isOver) return false;
      if (!toSide && !fromSide) return true;
    }
    side.watch.again();
    return true;
  }
}

class MachinePort implements Link {
  #isOpen = true;
  #wasFull = false;
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: (() => void)[] = [];
  readonly #endFlushing: () => void;

  constructor(
    readonly name: string,
    reactor: Reactor,
    private readonly machine: () => RelaySide | undefined,
  ) {
    this.#endFlushing = reactor.atTurnEnd(() => machine()?.write());
  }

  get full(): boolean {
    return this.machine()?.isFull ?? false;
  }

  send(frame: OutgoingFrame): boolean {
    const machine = this.machine();
    if (!this.#isOpen || machine === undefined) return false;
    const queued = machine.queueOutgoing(frame);
    if (!queued || machine.isFull) this.#wasFull = true;
    return queued;
  }

  /** Tells those who wait for room when there is some again. */
  drained(): void {
    if (!this.#wasFull || this.full) return;
    this.#wasFull = false;
    for (const listener of this.#drainListeners) listener();
    this.machine()?.write();
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#endFlushing();
    for (const listener of this.#closeListeners) listener();
  }
}
