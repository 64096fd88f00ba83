import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { blockIo } from '../../native/block-io';

const BLOCK_BYTES = 64 * 1024;
const PIECE_BLOCKS = 16;
const ZEROES = Buffer.alloc(BLOCK_BYTES);

/**
 * SHA-256 over a large file's blocks of 64 KiB that are not all zero, each behind its number: the same for the same
 * content, however much of it is holes, which are passed over. Errors of the file system pass through.
 */
export async function digestOfContent(file: string): Promise<string> {
  // Whoever only looks at images needs no system calls of its own.
  const { blockIo: calls } = await import('../../native/block-io');
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const hash = createHash('sha256').update(`${size}\n`);
    const piece = Buffer.alloc(PIECE_BLOCKS * BLOCK_BYTES);
    for (const { from, to } of dataRanges(calls, handle.fd, size)) {
      for (let at = from; at < to; at += piece.length) {
        const length = await readAt(handle, piece.subarray(0, Math.min(piece.length, to - at)), at);
        for (let begin = 0; begin < length; begin += BLOCK_BYTES) {
          const block = piece.subarray(begin, Math.min(begin + BLOCK_BYTES, length));
          if (block.equals(ZEROES.subarray(0, block.length))) continue;
          hash.update(`${(at + begin) / BLOCK_BYTES}\n`).update(block);
        }
      }
    }
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

/** Where a file has data, in whole blocks and in order. All of it where the file system does not tell. */
function* dataRanges(
  calls: Pick<typeof blockIo, 'nextData' | 'nextHole'>,
  fd: number,
  size: number,
): Generator<{ readonly from: number; readonly to: number }> {
  let done = 0;
  while (done < size) {
    const begin = calls.nextData(fd, done);
    if (begin === undefined) return;
    const end = Math.min(size, Math.ceil(calls.nextHole(fd, begin) / BLOCK_BYTES) * BLOCK_BYTES);
    yield { from: Math.floor(begin / BLOCK_BYTES) * BLOCK_BYTES, to: end };
    done = end;
  }
}

async function readAt(file: FileHandle, target: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
