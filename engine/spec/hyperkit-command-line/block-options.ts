import { fileURLToPath } from 'node:url';
import type { BlockSpec } from '../board-spec';
import { splitOnce } from './comma-list';
import { HyperkitUsageError } from './usage-error';

/**
 * `PATH[,nocache][,sync|direct][,ro][,sectorsize=L[/P]][,format=…][,qcow-config=…][,qcow-stats-config=…]`.
 * What `qcow-config` and the URL's query tune belongs to HyperKit's own QCOW library; it is checked for its form and
 * otherwise passed over: trimmed blocks are always given back, and a guest's flush is always honoured.
 * @throws HyperkitUsageError
 */
export function parseBlockOptions(config: string | undefined, forcedReadOnly: boolean): BlockSpec {
  const [first = '', ...options] = (config ?? '').split(',');
  let format: BlockSpec['format'] = 'raw';
  let readOnly = forcedReadOnly;
  let sync = false;
  let sectors: BlockSpec['sectors'];
  for (const option of options) {
    const [name, value] = splitOnce(option, '=');
    if (option === 'sync' || option === 'direct') sync = true;
    else if (option === 'ro') readOnly = true;
    else if (option === 'format=qcow' || option === 'format=qcow2') format = 'qcow2';
    else if (option === 'format=raw') format = 'raw';
    else if (option === 'nocache') throw new HyperkitUsageError('xhyve: nocache support unimplemented');
    else if (name === 'sectorsize') sectors = parseSectors(option, value ?? '');
    else if (name === 'qcow-config') checkQcowConfig(option, value ?? '');
    else if (name !== 'qcow-stats-config') throw invalid(option);
  }
  const path = pathOf(first);
  if (path === '') throw new HyperkitUsageError('Could not open backing file: no path is given');
  return { path, format, readOnly, sync, sectors };
}

/** A path, or `file:///path?sync=…&buffered=…`. */
function pathOf(text: string): string {
  if (!text.startsWith('file://')) return text;
  const [address] = splitOnce(text, '?');
  try {
    return fileURLToPath(address);
  } catch {
    throw new HyperkitUsageError(`Could not open backing file: ${text} is no URL of a file on this computer`);
  }
}

function parseSectors(option: string, value: string): BlockSpec['sectors'] {
  const [, first, second] = /^(\d{1,9})(?:\/(\d{1,9}))?$/.exec(value) ?? [];
  if (first === undefined) throw invalid(option);
  const logical = Number(first);
  const physical = Number(second ?? first);
  if (!isPowerOfTwo(logical) || !isPowerOfTwo(physical) || logical < 512 || logical > physical) {
    throw new HyperkitUsageError(`Invalid sector size ${logical}/${physical}`);
  }
  return { logical, physical };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function checkQcowConfig(option: string, value: string): void {
  if (!value.split(';').every((part) => /^[a-z_]+=[^;=]*$/.test(part))) throw invalid(option);
}

function invalid(option: string): HyperkitUsageError {
  return new HyperkitUsageError(`Invalid device option "${option}"`);
}
