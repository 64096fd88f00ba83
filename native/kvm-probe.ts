import {
  KVM_API_VERSION,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_DEVICE,
  KVM_EXIT_HLT,
  KVM_GET_API_VERSION,
  KVM_GET_SREGS,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_RUN,
  KVM_SET_REGS,
  KVM_SET_SREGS,
  KVM_SET_TSS_ADDR,
  KVM_SET_USER_MEMORY_REGION,
  MEMORY_REGION,
  O_CLOEXEC,
  O_RDWR,
  REGS,
  RUN,
  SREGS,
} from './kvm';
import { libc, type Mapping } from './libc';
import { NativeError } from './native-error';

export type KvmMeasurement =
  | { readonly ok: true; readonly instructionsPerSecond: number }
  | { readonly ok: false; readonly call: string; readonly errno: string };

const GUEST_ADDRESS = 0x1000;
const PAGE = 4096;
/** Three pages below 4 GiB that no guest memory uses: Intel CPUs without unrestricted guest mode need them for real mode. */
const TSS_ADDRESS = 0xfffbd000;

/**
 * The loop gets longer until its time says something: the first 20,000 turns take an interpreter (2 MIPS) 0.02 s, and as
 * long a fast CPU that is virtual itself and has everything to look up.
 */
const FIRST_ITERATIONS = 20_000;
const MORE = 10;
const MAX_ITERATIONS = 20_000_000;
const ENOUGH_SECONDS = 0.1;
/** A busy host takes the CPU away in the midst of a run: the quickest of a few tells what KVM can do. */
const LONG_RUNS = 3;
/** No run is taken again after this much time. */
const PATIENCE_SECONDS = 0.5;
const INSTRUCTIONS_PER_ITERATION = 2;

/**
 * Runs a loop in a guest of one page in real mode and times it. May hang inside the kernel, so only ever in a process
 * that somebody is ready to kill.
 */
export function measureKvm(): KvmMeasurement {
  try {
    return measureLoop();
  } catch (error) {
    if (error instanceof NativeError) return { ok: false, call: error.call, errno: error.errno };
    throw error;
  }
}

function measureLoop(): KvmMeasurement {
  const kvm = libc.open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
  const version = libc.ioctl('KVM_GET_API_VERSION', kvm, KVM_GET_API_VERSION, 0);
  if (version !== KVM_API_VERSION) throw new NativeError('ioctl(KVM_GET_API_VERSION)', `version ${version}`);
  const runSize = libc.ioctl('KVM_GET_VCPU_MMAP_SIZE', kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  const vm = libc.ioctl('KVM_CREATE_VM', kvm, KVM_CREATE_VM, 0);
  libc.ioctl('KVM_SET_TSS_ADDR', vm, KVM_SET_TSS_ADDR, TSS_ADDRESS);
  const memory = libc.mmap(PAGE, -1);
  libc.ioctl('KVM_SET_USER_MEMORY_REGION', vm, KVM_SET_USER_MEMORY_REGION, memoryRegion(memory));
  const vcpu = libc.ioctl('KVM_CREATE_VCPU', vm, KVM_CREATE_VCPU, 0);
  const run = libc.mmap(runSize, vcpu);
  try {
    const sregs = new Uint8Array(SREGS.size);
    libc.ioctl('KVM_GET_SREGS', vcpu, KVM_GET_SREGS, sregs);
    const view = new DataView(sregs.buffer);
    view.setBigUint64(SREGS.csBase, 0n, true);
    view.setUint16(SREGS.csSelector, 0, true);
    libc.ioctl('KVM_SET_SREGS', vcpu, KVM_SET_SREGS, sregs);
    let spent = 0;
    for (let iterations = FIRST_ITERATIONS; ; iterations *= MORE) {
      let quickest = timeLoop(vcpu, run, memory, iterations);
      spent += quickest;
      for (let runs = 1; runs < LONG_RUNS && quickest >= ENOUGH_SECONDS && spent < PATIENCE_SECONDS; runs++) {
        const seconds = timeLoop(vcpu, run, memory, iterations);
        spent += seconds;
        quickest = Math.min(quickest, seconds);
      }
      if (quickest >= ENOUGH_SECONDS || iterations >= MAX_ITERATIONS) {
        return { ok: true, instructionsPerSecond: (iterations * INSTRUCTIONS_PER_ITERATION) / quickest };
      }
    }
  } finally {
    run.unmap();
    for (const fd of [vcpu, vm, kvm]) libc.close(fd);
    memory.unmap();
  }
}

/** Seconds of one run. */
function timeLoop(vcpu: number, run: Mapping, memory: Mapping, iterations: number): number {
  memory.bytes.set(loopCode(iterations));
  const regs = new DataView(new ArrayBuffer(REGS.size));
  regs.setBigUint64(REGS.rip, BigInt(GUEST_ADDRESS), true);
  regs.setBigUint64(REGS.rflags, 2n, true); // bit 1 is always set
  libc.ioctl('KVM_SET_REGS', vcpu, KVM_SET_REGS, new Uint8Array(regs.buffer));
  const begin = process.hrtime.bigint();
  runUntilExit(vcpu);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const exitReason = new DataView(run.bytes.buffer, run.bytes.byteOffset).getUint32(RUN.exitReason, true);
  if (exitReason !== KVM_EXIT_HLT) throw new NativeError('ioctl(KVM_RUN)', `exit reason ${exitReason} instead of HLT`);
  return seconds;
}

/** A signal to this process (a timer of the runtime) makes KVM_RUN return early. */
function runUntilExit(vcpu: number): void {
  for (;;) {
    try {
      libc.ioctl('KVM_RUN', vcpu, KVM_RUN, 0);
      return;
    } catch (error) {
      if (!(error instanceof NativeError) || (error.errno !== 'EINTR' && error.errno !== 'EAGAIN')) throw error;
    }
  }
}

/** 16-bit code: `mov ecx, iterations; again: dec ecx; jnz again; hlt` */
function loopCode(iterations: number): Uint8Array {
  const code = Uint8Array.of(0x66, 0xb9, 0, 0, 0, 0, 0x66, 0x49, 0x75, 0xfc, 0xf4);
  new DataView(code.buffer).setUint32(2, iterations, true);
  return code;
}

function memoryRegion(memory: Mapping): Uint8Array {
  const region = new DataView(new ArrayBuffer(MEMORY_REGION.size));
  region.setBigUint64(MEMORY_REGION.guestAddress, BigInt(GUEST_ADDRESS), true);
  region.setBigUint64(MEMORY_REGION.memorySize, BigInt(PAGE), true);
  region.setBigUint64(MEMORY_REGION.hostAddress, memory.address, true);
  return new Uint8Array(region.buffer);
}
