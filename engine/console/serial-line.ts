/** A serial port's cable as the machine sees it. */
export interface SerialLine {
  /** The guest's output. Never waits and never throws; what nobody takes is lost in the end, the oldest first. */
  write(bytes: Uint8Array): void;
  /** Begins to read what somebody types. */
  read(listener: (bytes: Uint8Array) => void): void;
  /** Input stands still until `resumeInput`, because the port has no room for it. */
  pauseInput(): void;
  resumeInput(): void;
  /** Gives what is left of the output a moment to be written, and puts everything back as it was. */
  close(): Promise<void>;
}

/** Nobody is there. */
export const UNCONNECTED: SerialLine = {
  write: () => undefined,
  read: () => undefined,
  pauseInput: () => undefined,
  resumeInput: () => undefined,
  close: async () => undefined,
};
