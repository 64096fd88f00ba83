/** A small ISO 9660 writer, so that the reader's tests need no outside program. Written from ECMA-119 and RRIP. */

const SECTOR = 2048;

export interface IsoOptions {
  readonly volumeId?: string;
  readonly rockRidge?: boolean;
  readonly blockBytes?: 512 | 1024 | 2048;
  /** Files above this size are given several extents. */
  readonly maxExtentBytes?: number;
  /** Path of a link to its target. */
  readonly links?: Readonly<Record<string, string>>;
  /** SP's skip: this many bytes of rubbish in front of each system use area. */
  readonly suspSkip?: number;
}

interface Node {
  readonly name: string;
  readonly children?: Map<string, Node>;
  readonly content?: Buffer;
  readonly link?: string;
  block: number;
  size: number;
}

/** Files by absolute path. Directories come from the paths. */
export function buildIso(files: Readonly<Record<string, Buffer | string>>, options: IsoOptions = {}): Buffer {
  return new Builder(options).build(files);
}

/** As much of a bzImage as the checks look at, then recognisable filling. */
export function fakeKernel(sizeBytes = 5000): Buffer {
  const kernel = Buffer.from(Array.from({ length: sizeBytes }, (_, index) => (index * 7) & 0xff));
  kernel[0x1f1] = 1;
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  kernel.write('HdrS', 0x202, 'latin1');
  kernel.writeUInt16LE(0x020f, 0x206);
  kernel[0x211] = 1;
  return kernel;
}

/** The layout of boot2docker 18.09 and later. */
export function boot2dockerFiles(): Record<string, Buffer | string> {
  return {
    '/boot/vmlinuz': fakeKernel(),
    '/boot/initrd.img': Buffer.alloc(9001, 'initrd'),
    '/isolinux/isolinux.cfg': [
      'default boot2docker',
      'label boot2docker',
      '\tkernel /boot/vmlinuz',
      '\tinitrd /boot/initrd.img',
      '\tappend loglevel=3 console=ttyS0 console=tty0 waitusb=5:LABEL=boot2docker-data base norestore noembed',
      '',
    ].join('\n'),
    '/version': 'v19.03.12\n',
  };
}

class Builder {
  private readonly block: number;
  private readonly continuations: Buffer[] = [];
  private continuationStart = 0;
  private continuationBytes = 0;

  constructor(private readonly options: IsoOptions) {
    this.block = options.blockBytes ?? SECTOR;
  }

  build(files: Readonly<Record<string, Buffer | string>>): Buffer {
    const root: Node = { name: '', children: new Map(), block: 0, size: 0 };
    for (const [path, content] of Object.entries(files)) addNode(root, path, { content: Buffer.from(content) });
    for (const [path, link] of Object.entries(this.options.links ?? {})) addNode(root, path, { link });
    // The first rounds find sizes, the last one writes the positions that follow from them.
    this.layOut(root);
    this.layOut(root);
    return this.layOut(root);
  }

  private layOut(root: Node): Buffer {
    const continuationSize = Math.ceil(this.continuationBytes / SECTOR) * SECTOR;
    this.continuations.length = 0;
    this.continuationBytes = 0;
    const directories = listDirectories(root);
    const records = directories.map(({ node, parent }) => this.directory(node, parent));
    let position = 18 * SECTOR;
    directories.forEach(({ node }, index) => {
      node.block = position / this.block;
      node.size = records[index]!.length;
      position += node.size;
    });
    this.continuationStart = position;
    position += continuationSize;
    const contents: Buffer[] = [];
    for (const { node } of directories) {
      for (const child of node.children!.values()) {
        if (child.content === undefined) continue;
        child.block = position / this.block;
        child.size = child.content.length;
        const padded = Buffer.alloc(Math.ceil(child.size / SECTOR) * SECTOR);
        child.content.copy(padded);
        contents.push(padded);
        position += padded.length;
      }
    }
    const continuation = Buffer.alloc(continuationSize);
    Buffer.concat(this.continuations).copy(continuation);
    const terminator = Buffer.alloc(SECTOR);
    terminator.write('\xffCD001\x01', 'latin1');
    return Buffer.concat([
      Buffer.alloc(16 * SECTOR),
      this.primary(root, position),
      terminator,
      ...records,
      continuation,
      ...contents,
    ]);
  }

  private primary(root: Node, totalBytes: number): Buffer {
    const sector = Buffer.alloc(SECTOR);
    sector.write('\x01CD001\x01', 'latin1');
    sector.write((this.options.volumeId ?? 'b2d-v19.03.12').padEnd(32), 40, 'latin1');
    both32(totalBytes / this.block).copy(sector, 80);
    sector.writeUInt16LE(this.block, 128);
    sector.writeUInt16BE(this.block, 130);
    record(Buffer.of(0), root.block, root.size, 2, Buffer.alloc(0)).copy(sector, 156);
    return sector;
  }

  private directory(node: Node, parent: Node): Buffer {
    const records = [
      record(Buffer.of(0), node.block, node.size, 2, node === parent ? this.rootSystemUse() : this.systemUse()),
      record(Buffer.of(1), parent.block, parent.size, 2, this.systemUse()),
    ];
    let number = 0;
    for (const child of node.children!.values()) records.push(...this.childRecords(child, number++));
    const sectors: Buffer[] = [];
    let current: Buffer[] = [];
    const flush = () => {
      const sector = Buffer.alloc(SECTOR);
      Buffer.concat(current).copy(sector);
      sectors.push(sector);
      current = [];
    };
    for (const entry of records) {
      if (Buffer.concat(current).length + entry.length > SECTOR) flush();
      current.push(entry);
    }
    flush();
    return Buffer.concat(sectors);
  }

  private childRecords(child: Node, number: number): Buffer[] {
    const isDirectory = child.children !== undefined;
    const identifier = this.options.rockRidge
      ? Buffer.from(isDirectory ? `DIR${number}` : `FILE${number}.;1`, 'latin1')
      : Buffer.from(isDirectory ? child.name.toUpperCase() : plainIdentifier(child.name), 'latin1');
    const use = this.options.rockRidge ? this.systemUse(child) : Buffer.alloc(0);
    if (isDirectory) return [record(identifier, child.block, child.size, 2, use)];
    const limit = this.options.maxExtentBytes ?? Number.MAX_SAFE_INTEGER;
    const records: Buffer[] = [];
    for (let done = 0; done === 0 || done < child.size; done += limit) {
      const size = Math.min(limit, child.size - done);
      const isLast = done + size >= child.size;
      records.push(record(identifier, child.block + done / this.block, size, isLast ? 0 : 0x80, use));
    }
    return records;
  }

  private rootSystemUse(): Buffer {
    if (!this.options.rockRidge) return Buffer.alloc(0);
    return Buffer.of(...Buffer.from('SP'), 7, 1, 0xbe, 0xef, this.options.suspSkip ?? 0);
  }

  private systemUse(node?: Node): Buffer {
    if (!this.options.rockRidge) return Buffer.alloc(0);
    const entries: Buffer[] = [];
    if (node !== undefined) entries.push(...nameEntries(node.name));
    if (node?.link !== undefined) entries.push(linkEntry(node.link));
    const rubbish = Buffer.alloc(this.options.suspSkip ?? 0, 0xee);
    const inline = Buffer.concat([rubbish, ...entries]);
    // 33 fixed bytes, up to 12 of name, 28 for CE.
    if (inline.length <= 180) return inline;
    const at = this.continuationBytes;
    // The skipped bytes are a matter of directory records only.
    const overflow = Buffer.concat(entries);
    const padded = Buffer.alloc(Math.ceil(overflow.length / SECTOR) * SECTOR);
    overflow.copy(padded);
    this.continuations.push(padded);
    this.continuationBytes += padded.length;
    const start = this.continuationStart + at;
    return Buffer.concat([
      rubbish,
      Buffer.of(...Buffer.from('CE'), 28, 1),
      both32(Math.floor(start / this.block)),
      both32(start % this.block),
      both32(overflow.length),
    ]);
  }
}

function addNode(root: Node, path: string, leaf: { content?: Buffer; link?: string }): void {
  const names = path.split('/').filter((name) => name !== '');
  let directory = root;
  for (const name of names.slice(0, -1)) {
    const next = directory.children!.get(name) ?? { name, children: new Map(), block: 0, size: 0 };
    directory.children!.set(name, next);
    directory = next;
  }
  const name = names.at(-1)!;
  directory.children!.set(name, { name, ...leaf, block: 0, size: leaf.content?.length ?? 0 });
}

function listDirectories(root: Node): { node: Node; parent: Node }[] {
  const found = [{ node: root, parent: root }];
  for (const { node } of found) {
    for (const child of node.children!.values()) if (child.children) found.push({ node: child, parent: node });
  }
  return found;
}

function nameEntries(name: string): Buffer[] {
  const bytes = Buffer.from(name, 'utf8');
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += 100) {
    const piece = bytes.subarray(at, at + 100);
    pieces.push(
      Buffer.concat([Buffer.of(...Buffer.from('NM'), 5 + piece.length, 1, at + 100 < bytes.length ? 1 : 0), piece]),
    );
  }
  return pieces;
}

function linkEntry(target: string): Buffer {
  const parts = target.split('/').map((part, index) => {
    if (part === '' && index === 0) return Buffer.of(8, 0);
    if (part === '..') return Buffer.of(4, 0);
    return Buffer.concat([Buffer.of(0, part.length), Buffer.from(part, 'latin1')]);
  });
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(...Buffer.from('SL'), 5 + body.length, 1, 0), body]);
}

/** "isolinux.cfg" as ISOLINUX.CFG;1, "vmlinuz" as VMLINUZ.;1 */
function plainIdentifier(name: string): string {
  const upper = name.toUpperCase();
  return `${upper.includes('.') ? upper : `${upper}.`};1`;
}

function both32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}

function record(identifier: Buffer, block: number, size: number, flags: number, use: Buffer): Buffer {
  const nameBytes = identifier.length + (identifier.length % 2 === 0 ? 1 : 0);
  const length = 33 + nameBytes + use.length + (use.length % 2);
  const bytes = Buffer.alloc(length);
  bytes[0] = length;
  both32(block).copy(bytes, 2);
  both32(size).copy(bytes, 10);
  bytes[25] = flags;
  bytes.writeUInt16LE(1, 28);
  bytes.writeUInt16BE(1, 30);
  bytes[32] = identifier.length;
  identifier.copy(bytes, 33);
  use.copy(bytes, 33 + nameBytes);
  return bytes;
}
