import { existsSync } from 'node:fs';
import type { GuestBench } from './board';
import { endInterrupt, vectorBit, vectorWord } from './interrupt-controllers';
import type { Handler, ProtectedCode } from './protected-code';

/** Something that a guest tries, on this computer's KVM or in the lab. */
export interface GuestScenario {
  readonly name: string;
  /** It looks at the local APIC's in-service register, or at what depends on it. */
  readonly needsInService?: true;
  /** @throws AssertionError when the guest saw something else than it should. */
  run(bench: GuestBench): Promise<void>;
}

/**
 * Why scenarios that need the in-service register can't run here. kvm_pvm hands interrupts to guests that it interprets
 * without marking them there: the register and the processor's priority read as 0 in a handler, an interrupt of the same
 * class nests, and EOI does not clear an I/O APIC's remote IRR.
 */
export function findInServiceObstacle(): string | undefined {
  return existsSync('/sys/module/kvm_pvm') ? 'kvm_pvm does not mark interrupts as in service' : undefined;
}

/** Says the vector, and ends the APIC's interrupt. */
export function speak(vector: number): Handler {
  return (code) => endInterrupt(code.say(vector));
}

/** Says a vector's bit in a register of the local APIC, as a number that is 0 or {@link vectorBit}. */
export function sayBit(code: ProtectedCode, register: number, vector: number): ProtectedCode {
  return code.load(vectorWord(register, vector)).raw(0x25).number(vectorBit(vector), 4).printEax();
}
