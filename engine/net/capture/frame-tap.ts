/** From the guest into the network, or out to the guest. */
export type FrameDirection = 'in' | 'out';

/** Sees every Ethernet frame of the network. On the hot path: it must not keep, change or wait for anything. */
export interface FrameTap {
  /** `frame[offset … offset + length)` is the frame without its check sum, valid during the call only. */
  capture(frame: Uint8Array, offset: number, length: number, direction: FrameDirection): void;
}

/** The taps that are attached now, as the one that the gateway calls; `undefined` while there is none. */
export class FrameTaps {
  readonly #taps = new Set<FrameTap>();
  #current: FrameTap | undefined;

  /** What to call for each frame; read it anew for each. */
  get current(): FrameTap | undefined {
    return this.#current;
  }

  /** Attaches a tap until the function that it answers is called. */
  attach(tap: FrameTap): () => void {
    this.#taps.add(tap);
    this.#choose();
    return () => {
      this.#taps.delete(tap);
      this.#choose();
    };
  }

  #choose(): void {
    const taps = [...this.#taps];
    this.#current =
      taps.length < 2
        ? taps[0]
        : {
            capture(frame, offset, length, direction) {
              for (const tap of taps) tap.capture(frame, offset, length, direction);
            },
          };
  }
}
