import path from 'node:path';
import { EngineError } from '../errors';
import { chooseAccelerator } from '../hypervisors/accelerator';
import { createQemuEngine } from './qemu-engine';
import type { BoardEngine } from './running-board';

const CHOICES = ['auto', 'native', 'qemu'] as const;

/** Environment variable that chooses who runs boards. */
export const ENGINE_VARIABLE = 'HYPERKIT_ENGINE';

export type EngineChoice = (typeof CHOICES)[number];

/** @throws EngineError HK_SPEC_INVALID */
export function readEngineChoice(environment: NodeJS.ProcessEnv): EngineChoice {
  const text = environment[ENGINE_VARIABLE] ?? '';
  const choice = text === '' ? 'auto' : CHOICES.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new EngineError('HK_SPEC_INVALID', `${ENGINE_VARIABLE} is ${text}; it can be ${CHOICES.join(', ')}`);
}

/**
 * With `auto` the native VMM where KVM has proved to be quick, else QEMU.
 * @param programsDir holds hyperkit-machine.cjs, which measures KVM.
 * @throws EngineError HK_NO_HYPERVISOR
 */
export async function chooseEngine(choice: EngineChoice, programsDir: string): Promise<BoardEngine> {
  const machineProgram = path.join(programsDir, 'hyperkit-machine.cjs');
  if (choice === 'native') return await loadNativeEngine();
  if (choice === 'auto') {
    const decision = await chooseAccelerator('auto', machineProgram);
    if (decision.usable && decision.accelerator === 'kvm') return await loadNativeEngine();
  }
  return createQemuEngine(machineProgram);
}

/** It brings koffi and every device model with it, which QEMU's side can do without. */
async function loadNativeEngine(): Promise<BoardEngine> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const text = `cannot run virtual machines by the native engine: it needs Linux on x86-64; use ${ENGINE_VARIABLE}=qemu`;
    throw new EngineError('HK_NO_HYPERVISOR', text);
  }
  const { nativeEngine } = await import('./native-engine');
  return nativeEngine;
}
