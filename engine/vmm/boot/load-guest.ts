import type { FirmwareSpec } from '../../spec/board-spec';
import type { GuestMemory } from '../memory/guest-memory';
import type { LoadedGuest } from './entry-state';
import { loadBootrom } from './load-bootrom';
import { loadLinux } from './load-linux';
import { loadMultiboot } from './load-multiboot';

/**
 * Fills memory with what a specification wants to be started.
 * @param rsdpAddress where ACPI's root pointer will be; undefined: there are no tables.
 * @throws EngineError HK_BOOT_FAILED, with what to do.
 */
export function loadGuest(firmware: FirmwareSpec, memory: GuestMemory, rsdpAddress: number | undefined): LoadedGuest {
  switch (firmware.kind) {
    case 'kexec':
      return { entry: loadLinux(firmware, memory, rsdpAddress), rom: undefined };
    case 'multiboot':
      return { entry: loadMultiboot(firmware, memory), rom: undefined };
    case 'bootrom':
      return loadBootrom(firmware.image);
  }
}
