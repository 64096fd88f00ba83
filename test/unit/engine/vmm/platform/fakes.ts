import type {
  AccessSize,
  InterruptLines,
  MachineRequests,
  RegisterDevice,
} from '../../../../../engine/vmm/bus/register-device';

/** Interrupt inputs that remember their level and every change. */
export class FakeLines implements InterruptLines {
  readonly levels = new Map<number, boolean>();
  readonly edges: string[] = [];

  set(gsi: number, level: boolean): void {
    if ((this.levels.get(gsi) ?? false) !== level) this.edges.push(`${gsi}${level ? '+' : '-'}`);
    this.levels.set(gsi, level);
  }

  isOn(gsi: number): boolean {
    return this.levels.get(gsi) ?? false;
  }
}

export class FakeRequests implements MachineRequests {
  readonly asked: string[] = [];

  powerOff(): void {
    this.asked.push('power off');
  }

  reset(): void {
    this.asked.push('reset');
  }
}

/** What a guest's IN and OUT do, one byte at a time. */
export function bytePorts(device: RegisterDevice) {
  return {
    in: (offset: number): number => device.read(offset, 1),
    out: (offset: number, value: number): void => device.write(offset, 1, value),
  };
}

export interface Access {
  readonly write: boolean;
  readonly offset: number;
  readonly size: AccessSize;
  readonly value: number;
}

/** A small deterministic generator: a million accesses are made in a second, which fast-check's own values are not. */
export function* randomAccesses(seed: number, count: number, length: number): Generator<Access> {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const sizes: readonly AccessSize[] = [1, 1, 2, 4];
  for (let index = 0; index < count; index++) {
    const size = sizes[next() & 3] as AccessSize;
    if (size > length) continue;
    const offset = next() % (length - size + 1);
    // Half of the values are small or have few bits, as those that mean something to a register do.
    const wide = next();
    const value = (wide & 1) === 0 ? wide : (wide & 2) === 0 ? 1 << (wide >>> 27) : wide >>> 24;
    yield { write: (next() & 1) === 1, offset, size, value: (value >>> 0) % 2 ** (8 * size) };
  }
}

/** Makes an access and checks that what comes back is a number that fits. */
export function perform(device: RegisterDevice, { write, offset, size, value }: Access): void {
  if (write) {
    device.write(offset, size, value);
    return;
  }
  const answer = device.read(offset, size);
  if (!Number.isInteger(answer) || answer < 0 || answer >= 2 ** (8 * size)) {
    throw new Error(`a read of ${size} bytes at ${offset} answered ${answer}`);
  }
}
