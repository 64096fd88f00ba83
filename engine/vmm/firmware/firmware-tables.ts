import { EngineError } from '../../errors';
import { buildAcpiTables } from './acpi-tables';
import type { FirmwareBoard, MemoryImage } from './firmware-board';
import { buildMpTable } from './mp-table';
import { buildSmbios } from './smbios';

const END = 0x10_0000;
/** A local APIC's number has 8 bits, and 255 means all. */
const MAX_VCPUS = 255;

/**
 * Everything that a firmware leaves in memory between 0xF0000 and 1 MiB.
 *
 * @throws EngineError HK_SPEC_INVALID when the board has more CPUs or memory than the tables have room for.
 */
export function buildFirmwareTables(
  board: FirmwareBoard,
  wanted: { readonly acpi: boolean; readonly mpTable: boolean },
): readonly MemoryImage[] {
  if (board.vcpus > MAX_VCPUS) {
    throw new EngineError('HK_SPEC_INVALID', `${board.vcpus} CPUs are more than a board can have (${MAX_VCPUS})`);
  }
  const images = [
    ...(wanted.mpTable ? [buildMpTable(board)] : []),
    buildSmbios(board),
    ...(wanted.acpi ? buildAcpiTables(board).images : []),
  ].sort((one, other) => one.address - other.address);
  for (const [index, { address, bytes }] of images.entries()) {
    if (address + bytes.length > (images[index + 1]?.address ?? END)) {
      throw new EngineError(
        'HK_SPEC_INVALID',
        `the firmware tables have no room for ${board.vcpus} CPUs and ${board.memoryBytes} bytes of memory: use fewer`,
      );
    }
  }
  return images;
}
