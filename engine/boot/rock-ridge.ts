import type { IsoExtent } from './iso-source';

/** Continuation areas per record; real images need one or two. */
const MAX_CONTINUATIONS = 32;
const MAX_CONTINUATION_BYTES = 32 * 1024;
const MAX_NAME_BYTES = 1024;
const MAX_LINK_BYTES = 4096;

/** What the System Use area of one record says (SUSP 1.12 and RRIP 1.12; only the entries a reader of files needs). */
export interface SystemUse {
  /** NM, the POSIX name. */
  readonly name?: string;
  /** SL, the target of a symbolic link. */
  readonly linkTarget?: string;
  /** CL: this "file" stands for a directory that was moved; the block of its first record. */
  readonly childBlock?: number;
  /** RE: this directory was moved here from elsewhere and is to be hidden. */
  readonly isRelocated: boolean;
  /** ZF: the content is stored compressed (zisofs). */
  readonly isCompressed: boolean;
}

interface Continuation {
  readonly block: number;
  readonly offset: number;
  readonly length: number;
}

export interface SystemUseReader {
  /** Bytes to skip in each area, from the SP entry. */
  readonly skip: number;
  readonly blockBytes: number;
  fetch(extent: IsoExtent): Promise<Buffer>;
  damaged(reason: string): Error;
}

/**
 * SP in the root's first record says that the volume uses SUSP, and how many bytes other records keep for themselves:
 * "SP", length 7, version 1, 0xBE, 0xEF, skip. On CD-ROM XA volumes 14 bytes stand in front of it.
 */
export function findSuspSkip(systemUse: Buffer): number | undefined {
  for (const at of [0, 14]) {
    if (systemUse.toString('latin1', at, at + 2) !== 'SP' || systemUse.length < at + 7) continue;
    if (systemUse[at + 2] === 7 && systemUse[at + 4] === 0xbe && systemUse[at + 5] === 0xef) return systemUse[at + 6];
  }
  return undefined;
}

/**
 * Each entry: 2 bytes signature, 1 byte length (all of it), 1 byte version, then
 *
 *   CE  block, offset, length of the continuation area; each 8 bytes, both orders
 *   NM  flags (1 = continues in the next NM, 2 = ".", 4 = ".."), then a piece of the name
 *   SL  flags (1 = continues in the next SL), then components: flags, length, text
 *   CL  block of the moved directory, both orders
 *   ST  end of the area
 */
export async function readSystemUse(area: Buffer, reader: SystemUseReader): Promise<SystemUse> {
  const name: Buffer[] = [];
  const link = new LinkTarget();
  let childBlock: number | undefined;
  let isRelocated = false;
  let isCompressed = false;
  let bytes = area.subarray(reader.skip);
  for (let areas = 0; ; areas++) {
    if (areas > MAX_CONTINUATIONS) throw reader.damaged('a chain of Rock Ridge continuations without end');
    let next: Continuation | undefined;
    for (const { signature, body } of entries(bytes, reader.damaged)) {
      if (signature === 'NM' && ((body[0] ?? 0) & 0x06) === 0) name.push(body.subarray(1));
      else if (signature === 'SL') link.add(body.subarray(1), reader.damaged);
      else if (signature === 'CL' && body.length >= 4) childBlock = body.readUInt32LE(0);
      else if (signature === 'RE') isRelocated = true;
      else if (signature === 'ZF') isCompressed = true;
      else if (signature === 'CE' && body.length >= 20) {
        next = { block: body.readUInt32LE(0), offset: body.readUInt32LE(8), length: body.readUInt32LE(16) };
      }
    }
    if (next === undefined) break;
    if (next.length > MAX_CONTINUATION_BYTES) throw reader.damaged(`a Rock Ridge continuation of ${next.length} bytes`);
    bytes = await reader.fetch({ offset: next.block * reader.blockBytes + next.offset, length: next.length });
  }
  return {
    ...(name.length > 0 && { name: decodeName(Buffer.concat(name), reader.damaged) }),
    ...(link.isPresent && { linkTarget: link.toString() }),
    ...(childBlock !== undefined && { childBlock }),
    isRelocated,
    isCompressed,
  };
}

function* entries(area: Buffer, damaged: (reason: string) => Error): Generator<{ signature: string; body: Buffer }> {
  // Areas may end in padding that is too short for an entry.
  for (let at = 0; at + 4 <= area.length; ) {
    const signature = area.toString('latin1', at, at + 2);
    const length = area[at + 2]!;
    if (area[at] === 0 || signature === 'ST') return;
    if (length < 4 || at + length > area.length) throw damaged(`a Rock Ridge entry of ${length} bytes`);
    yield { signature, body: area.subarray(at + 4, at + length) };
    at += length;
  }
}

function decodeName(bytes: Buffer, damaged: (reason: string) => Error): string {
  const name = bytes.toString('utf8');
  // A separator in a name could lead out of the folder that somebody unpacks it to.
  if (bytes.length > MAX_NAME_BYTES || name === '' || /[/\0]/.test(name)) throw damaged('a file name that cannot be');
  return name;
}

/** Collects the components of SL entries; a component may be spread over several records and entries. */
class LinkTarget {
  isPresent = false;
  private readonly parts: string[] = [];
  private joinsNext = false;
  private bytes = 0;

  add(components: Buffer, damaged: (reason: string) => Error): void {
    this.isPresent = true;
    for (let at = 0; at + 2 <= components.length; ) {
      const flags = components[at]!;
      const length = components[at + 1]!;
      this.bytes += length + 1;
      if (at + 2 + length > components.length || this.bytes > MAX_LINK_BYTES)
        throw damaged('a symbolic link that cannot be');
      const text =
        flags & 0x08
          ? ''
          : flags & 0x04
            ? '..'
            : flags & 0x02
              ? '.'
              : components.toString('utf8', at + 2, at + 2 + length);
      if (this.joinsNext) this.parts.push((this.parts.pop() ?? '') + text);
      else this.parts.push(text);
      this.joinsNext = (flags & 0x01) !== 0;
      at += 2 + length;
    }
  }

  toString(): string {
    return this.parts.length === 1 && this.parts[0] === '' ? '/' : this.parts.join('/');
  }
}
