import type { BoardSpec, SerialSpec } from './board-spec';

const DEBUG_CONSOLE: SerialSpec = { terminal: { kind: 'stdio' }, ringPath: undefined, systemLog: false };

/** A serial port of a board that is connected to something, or another wire that carries bytes. */
export interface BoardSerial {
  /** E.g. `COM1`, as people are told. */
  readonly name: string;
  readonly place: 'com1' | 'com2' | 'debug-console' | 'debugger' | { readonly slot: number; readonly func: number };
  readonly spec: SerialSpec;
}

/** Every serial port that is connected: COM1, COM2, serial cards and consoles on the PCI bus, and the debug console. */
export function boardSerials({ com1, com2, slots, debugConsole }: BoardSpec): readonly BoardSerial[] {
  const serials: BoardSerial[] = [];
  if (com1 !== undefined) serials.push({ name: 'COM1', place: 'com1', spec: com1 });
  if (com2 !== undefined) serials.push({ name: 'COM2', place: 'com2', spec: com2 });
  for (const { slot, func, device } of slots) {
    if (device.kind !== 'uart' && device.kind !== 'virtio-console') continue;
    serials.push({
      name: `${device.kind === 'uart' ? 'uart' : 'hvc'}-${slot}:${func}`,
      place: { slot, func },
      spec: device.serial,
    });
  }
  if (debugConsole) serials.push({ name: 'bvmcons', place: 'debug-console', spec: DEBUG_CONSOLE });
  return serials;
}
