import type { BoardSpec } from '../../spec/board-spec';
import { BoardLock } from '../bus/board-lock';
import type { MemoryRegion } from '../memory/guest-memory';
import { IntxWires } from '../pci/intx-wires';
import { PciBus } from '../pci/pci-bus';
import { AcpiPower } from '../platform/acpi-power';
import { ByteRing } from '../platform/byte-ring';
import { CmosRtc } from '../platform/cmos';
import { I8042 } from '../platform/i8042';
import { Port92 } from '../platform/port92';
import { ResetControl } from '../platform/reset-control';
import { ExitCounters } from '../vcpu/exit-counters';
import type { BoardPlan, DebugPortPlan, PciSlotPlan } from './board-plan';
import { planSerial } from './plug-devices';

const DEBUG_RING_BYTES = 4096;

/** What {@link planBoard} can't make by itself. */
export interface BoardParts {
  readonly vm: number;
  readonly noticeEventfd: number;
  readonly words: SharedArrayBuffer;
  readonly memory: readonly MemoryRegion[];
  readonly slots: readonly PciSlotPlan[];
}

/** Turns a specification into the plan of a board; its memory is zeroed, nobody has powered it on. */
export function planBoard(spec: BoardSpec, parts: BoardParts): BoardPlan {
  const zeroed = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes);
  const hasLpc = spec.slots.some(({ device }) => device.kind === 'lpc');
  const debugPort = (): DebugPortPlan => ({
    output: zeroed(ByteRing.stateBytes(DEBUG_RING_BYTES)),
    input: zeroed(ByteRing.stateBytes(DEBUG_RING_BYTES)),
  });
  return {
    ...parts,
    strictIo: spec.strictIo,
    rtc: spec.rtc,
    lock: zeroed(BoardLock.BYTES),
    counters: zeroed(ExitCounters.stateBytes(spec.vcpus)),
    cmos: zeroed(CmosRtc.STATE_BYTES),
    i8042: zeroed(I8042.STATE_BYTES),
    port92: zeroed(Port92.STATE_BYTES),
    resetControl: zeroed(ResetControl.STATE_BYTES),
    acpi: zeroed(AcpiPower.STATE_BYTES),
    pciBus: zeroed(PciBus.STATE_BYTES),
    intx: zeroed(IntxWires.STATE_BYTES),
    com1: hasLpc ? planSerial() : undefined,
    com2: hasLpc ? planSerial() : undefined,
    debugConsole: spec.debugConsole ? debugPort() : undefined,
    debugger: spec.debugPort === undefined ? undefined : debugPort(),
  };
}
