import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { buildAcpiTables } from '../../../../../engine/vmm/firmware/acpi-tables';
import { eisaId, integer, path, scope } from '../../../../../engine/vmm/firmware/aml';
import { buildFirmwareTables } from '../../../../../engine/vmm/firmware/firmware-tables';
import { buildMpTable } from '../../../../../engine/vmm/firmware/mp-table';
import { buildSmbios } from '../../../../../engine/vmm/firmware/smbios';
import * as boards from './boards';

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const named = Object.entries(boards);

describe('AML', () => {
  it('encodes names, numbers and lengths as the specification does', () => {
    expect([...path('\\')]).toEqual([0x5c, 0]);
    expect([...path('\\_SB.PCI0')]).toEqual([0x5c, 0x2e, ...Buffer.from('_SB_PCI0')]);
    expect([...path('\\_SB.PCI0.ISA')]).toEqual([0x5c, 0x2f, 3, ...Buffer.from('_SB_PCI0ISA_')]);
    expect([...eisaId('PNP0A03')]).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
    expect([0, 1, 2, 0xff, 0x100, 0x1_0000, 0xffff_ffff].map((value) => [...integer(value)])).toEqual([
      [0],
      [1],
      [0x0a, 2],
      [0x0a, 0xff],
      [0x0b, 0, 1],
      [0x0c, 0, 0, 1, 0],
      [0x0c, 0xff, 0xff, 0xff, 0xff],
    ]);
  });

  it('counts the bytes of a package, its own length included', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(100), fc.nat(5000), fc.integer({ min: 1_048_000, max: 1_049_000 })), (size) => {
        const bytes = scope('A', new Uint8Array(size));
        const follow = bytes[1]! >> 6;
        let length = follow === 0 ? bytes[1]! & 0x3f : bytes[1]! & 0x0f;
        for (let index = 0; index < follow; index++) length |= bytes[2 + index]! << (4 + 8 * index);
        expect(length).toBe(bytes.length - 1);
        expect(bytes.length).toBe(1 + 1 + follow + 4 + size);
      }),
      { numRuns: 30 },
    );
  });
});

describe.each(named)('the ACPI tables of a board: %s', (_, board) => {
  const { byName } = buildAcpiTables(board);
  const at = (address: number): string =>
    [...byName].find(([, image]) => image.address === address)?.[0] ?? `nothing at ${address.toString(16)}`;
  const bytes = (name: string): Buffer => view(byName.get(name)!.bytes);

  it('are whole: checksums, lengths, places', () => {
    expect([sum(bytes('RSDP').subarray(0, 20)), sum(bytes('RSDP'))]).toEqual([0, 0]);
    for (const [name, image] of byName) {
      expect(image.address % 16).toBe(0);
      if (name === 'RSDP') continue;
      expect(view(image.bytes).toString('latin1', 0, 4)).toBe(name);
      expect(view(image.bytes).readUInt32LE(4)).toBe(image.bytes.length);
      if (name !== 'FACS') expect(sum(image.bytes)).toBe(0);
    }
    expect(byName.get('FACS')!.address % 64).toBe(0);
  });

  it('are found from the root pointer', () => {
    const rsdp = bytes('RSDP');
    expect(byName.get('RSDP')!.address).toBe(0xf_2400);
    expect(rsdp.toString('latin1', 0, 8)).toBe('RSD PTR ');
    expect([at(rsdp.readUInt32LE(16)), at(Number(rsdp.readBigUInt64LE(24)))]).toEqual(['RSDT', 'XSDT']);
    const short = [36, 40].map((offset) => at(bytes('RSDT').readUInt32LE(offset)));
    const long = [36, 44].map((offset) => at(Number(bytes('XSDT').readBigUInt64LE(offset))));
    expect([short, long]).toEqual([
      ['FACP', 'APIC'],
      ['FACP', 'APIC'],
    ]);
    const fadt = bytes('FACP');
    expect([at(fadt.readUInt32LE(36)), at(fadt.readUInt32LE(40)), at(Number(fadt.readBigUInt64LE(140)))]).toEqual([
      'FACS',
      'DSDT',
      'DSDT',
    ]);
  });

  it('say how to switch off, reset and take over', () => {
    const fadt = bytes('FACP');
    expect([fadt.readUInt16LE(46), fadt.readUInt32LE(48), fadt[52], fadt[53]]).toEqual([9, 0xb2, 0xa0, 0xa1]);
    expect([56, 64, 76].map((offset) => fadt.readUInt32LE(offset))).toEqual([0x400, 0x404, 0x408]);
    expect([fadt[88], fadt[89], fadt[91], fadt[108]]).toEqual([4, 2, 4, 0x32]);
    const [fixedPowerButton, resetRegister, hardwareReduced] = [4, 10, 20].map(
      (bit) => (fadt.readUInt32LE(112) >> bit) & 1,
    );
    expect([fixedPowerButton, resetRegister, hardwareReduced]).toEqual([0, 1, 0]);
    expect([...fadt.subarray(116, 129)]).toEqual([1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6]);
    // \_S5 = Package (4) { 5, 0, 0, 0 }
    expect(bytes('DSDT').includes(Buffer.from('085c5f53355f1207040a05000000', 'hex'))).toBe(true);
  });

  it('name every CPU and the IOAPIC', () => {
    const madt = bytes('APIC');
    expect([madt.readUInt32LE(36), madt.readUInt32LE(40)]).toEqual([0xfee0_0000, 1]);
    const entries: Buffer[] = [];
    for (let offset = 44; offset < madt.length; offset += madt[offset + 1]!) {
      entries.push(madt.subarray(offset, offset + madt[offset + 1]!));
    }
    const cpus = entries.filter((entry) => entry[0] === 0);
    expect(cpus.map((entry) => [entry[2], entry[3], entry[4]])).toEqual(
      Array.from({ length: board.vcpus }, (_unused, id) => [id, id, 1]),
    );
    expect(entries.filter((entry) => entry[0] !== 0).map((entry) => entry.toString('hex'))).toEqual([
      '010c00000000c0fe00000000',
      '020a0009090000000d00',
      '0406ff000001',
    ]);
  });
});

describe.each(named)('the MP table of a board: %s', (_, board) => {
  it('is whole, and names CPUs, buses and interrupts', () => {
    const { address, bytes } = buildMpTable(board);
    const image = view(bytes);
    expect(address).toBe(0xf_0000);
    expect([image.toString('latin1', 0, 4), image.readUInt32LE(4), image[8], image[9], image[11]]).toEqual([
      '_MP_',
      0xf_0010,
      1,
      4,
      0,
    ]);
    expect(sum(image.subarray(0, 16))).toBe(0);
    const table = image.subarray(16);
    expect([table.toString('latin1', 0, 4), table.readUInt16LE(4), sum(table)]).toEqual(['PCMP', table.length, 0]);
    const entries: number[][] = [];
    for (let offset = 44; offset < table.length; ) {
      const size = table[offset] === 0 ? 20 : 8;
      entries.push([...table.subarray(offset, offset + size)]);
      offset += size;
    }
    expect(entries).toHaveLength(table.readUInt16LE(34));
    expect(entries.filter(([type]) => type === 0)).toHaveLength(board.vcpus);
    const pci = entries.filter((entry) => entry[0] === 3 && entry[4] === 0);
    const slots = [...new Set(board.pci.filter((plan) => plan.interruptPin).map(({ slot }) => slot))];
    expect(pci).toEqual(slots.map((slot) => [3, 0, 0x0f, 0, 0, slot * 4, 0, 16 + (slot % 8)]));
    expect(entries).toContainEqual([3, 0, 0x00, 0, 1, 0, 0, 0]);
    expect(entries).toContainEqual([3, 0, 0x0d, 0, 1, 9, 0, 9]);
  });
});

describe('SMBIOS', () => {
  // Debian keeps it where users don't look.
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
  const decode = spawnSync('dmidecode', ['--version'], { env }).status === 0 ? it : it.skip;
  const folder = mkdtempSync(join(tmpdir(), 'hk-dmi-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A dump is the entry point and the table behind it, with the table's place in the file as its address. */
  function dump(bytes: Uint8Array): string {
    const file = Buffer.from(bytes);
    file.writeUInt32LE(32, 24);
    file[21] = 0;
    file[21] = -sum(file.subarray(16, 31)) & 0xff;
    file[4] = 0;
    file[4] = -sum(file.subarray(0, 31)) & 0xff;
    writeFileSync(join(folder, 'dump'), file);
    const run = spawnSync('dmidecode', ['--from-dump', join(folder, 'dump')], { encoding: 'utf8', env });
    expect(run.stderr).toBe('');
    return run.stdout;
  }

  decode.each(named)('is understood by dmidecode: %s', (_, board) => {
    const text = dump(buildSmbios(board).bytes);
    expect(text).toContain('SMBIOS 2.6 present.');
    expect(text).not.toMatch(/wrong|broken|invalid|bad|truncated|OUT OF SPEC/i);
    expect(text).toContain('Product Name: BHYVE');
    expect(text).toContain(`UUID: ${board.uuid}`);
    expect(text).toContain('System is a virtual machine');
    expect(text.match(/Processor Information/g)).toHaveLength(board.vcpus);
    expect(text).toContain(`Socket Designation: CPU #${board.vcpus - 1}`);
    expect(text).toContain('End Of Table');
    const megabytes = [...text.matchAll(/^\tSize: (\d+) (MB|GB)/gm)].map(
      ([, size, unit]) => Number(size) * (unit === 'GB' ? 1024 : 1),
    );
    expect(megabytes.reduce((total, size) => total + size, 0)).toBe(board.memoryBytes / 2 ** 20);
  });

  it.each(named)('is whole: %s', (_, board) => {
    const { address, bytes } = buildSmbios(board);
    const image = view(bytes);
    expect(address).toBe(0xf_1000);
    expect([sum(image.subarray(0, 31)), sum(image.subarray(16, 31)), image[5]]).toEqual([0, 0, 31]);
    expect([image.readUInt32LE(24), image.readUInt16LE(22)]).toEqual([0xf_1020, image.length - 32]);
    const types: number[] = [];
    const handles = new Set<number>();
    for (let at = 32; at < image.length; at = image.indexOf('\0\0', at + image[at + 1]!, 'latin1') + 2) {
      types.push(image[at]!);
      handles.add(image.readUInt16LE(at + 2));
    }
    expect(types).toHaveLength(image.readUInt16LE(28));
    expect(handles.size).toBe(types.length);
    expect([...new Set(types)]).toEqual([0, 1, 3, 4, 16, 17, 19, 32, 127]);
    expect(image.includes(Buffer.from('0403020106050807090a0b0c0d0e0f10', 'hex'))).toBe(true);
  });
});

describe('all tables', () => {
  it('lie side by side below 1 MiB', () => {
    for (const [, board] of named) {
      const images = buildFirmwareTables(board, { acpi: true, mpTable: true });
      let end = 0xf_0000;
      for (const { address, bytes } of images) {
        expect(address).toBeGreaterThanOrEqual(end);
        end = address + bytes.length;
      }
      expect(end).toBeLessThanOrEqual(0x10_0000);
    }
  });

  it('leave out what is not wanted', () => {
    const images = buildFirmwareTables(boards.usual, { acpi: false, mpTable: false });
    expect(images.map(({ address }) => address)).toEqual([0xf_1000]);
  });

  it('refuse boards that are too large for them, and never overlap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 64, max: 2 ** 21 }), (vcpus, mebibytes) => {
        const board = { ...boards.usual, vcpus, memoryBytes: mebibytes * 2 ** 20 };
        try {
          const images = buildFirmwareTables(board, { acpi: true, mpTable: true });
          for (const [index, { address, bytes }] of images.entries()) {
            expect(address + bytes.length).toBeLessThanOrEqual(images[index + 1]?.address ?? 0x10_0000);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'HK_SPEC_INVALID' });
          expect(vcpus > 64 || mebibytes > 2 ** 17).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});
