import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAcpiTables } from '../../../../../engine/vmm/firmware/acpi-tables';
import type { FirmwareBoard } from '../../../../../engine/vmm/firmware/firmware-board';
import * as boards from './boards';

const hasIasl = spawnSync('iasl', ['-v']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'hk-acpi-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Disassembles a table, compiles what comes out, and answers the source and what was said on the way. */
function roundTrip(name: string, bytes: Uint8Array): { readonly source: string; readonly compiled: string } {
  const binary = join(folder, `${name}.dat`);
  writeFileSync(binary, bytes);
  execFileSync('iasl', ['-d', binary], { stdio: 'pipe' });
  const source = join(folder, `${name}.dsl`);
  const compiled = execFileSync('iasl', ['-ve', source], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return { source: readFileSync(source, 'latin1'), compiled };
}

const named: ReadonlyArray<readonly [string, FirmwareBoard]> = Object.entries(boards);

(hasIasl ? describe.each(named) : describe.skip.each(named))('the ACPI tables of a board: %s', (name, board) => {
  const { byName } = buildAcpiTables(board);

  it.each([...byName.keys()].filter((table) => table !== 'RSDP'))(
    '%s is understood by iasl, without a warning',
    (table) => {
      const { source, compiled } = roundTrip(`${name}-${table}`, byName.get(table)!.bytes);
      expect(source).not.toMatch(/\*{4}|Error|Warning|Invalid|Unknown|incorrect/i);
      expect(compiled).toMatch(/Compilation (complete|successful). 0 Errors, 0 Warnings(, 0 Remarks|$)/m);
    },
  );

  it('says the same as its checked disassembly', () => {
    if (name !== 'usual') return;
    const { source } = roundTrip('golden-DSDT', byName.get('DSDT')!.bytes);
    // Without the comment on top, which has the date.
    expect(source.slice(source.indexOf('DefinitionBlock'))).toMatchSnapshot();
  });
});
