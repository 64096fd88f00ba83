import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { BoundedLog } from '../../../../engine/console/bounded-log';
import { toPlainLines } from '../../../../engine/console/plain-text';
import { ConsoleRing, RING_SIZE } from '../../../../engine/console/ring';
import { tail } from '../../../../engine/console/tail';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-console-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('ring', () => {
  test('byte n lies at offset n mod 65536, however it is written', () => {
    const file = path.join(folder, 'console-ring');
    const sizes = fc.array(fc.oneof(fc.nat(100), fc.nat(3 * RING_SIZE)), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, (lengths) => {
        const ring = new ConsoleRing(file);
        const expected = Buffer.alloc(RING_SIZE);
        let position = 0;
        for (const length of lengths) {
          const bytes = Buffer.from(Uint8Array.from({ length }, (_, index) => (position + index) % 251));
          ring.write(bytes);
          for (let index = Math.max(0, length - RING_SIZE); index < length; index++) {
            expected[(position + index) % RING_SIZE] = bytes[index] ?? 0;
          }
          position += length;
        }
        ring.close();
        expect(readFileSync(file).equals(expected)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('is emptied when it is opened, and read by nobody else', () => {
    const file = path.join(folder, 'console-ring');
    writeFileSync(file, 'x'.repeat(100_000));
    new ConsoleRing(file).close();
    expect(readFileSync(file).equals(Buffer.alloc(RING_SIZE))).toBe(true);
  });
});

describe('bounded log', () => {
  test('keeps the newest and the file before it', () => {
    const file = path.join(folder, 'log');
    const log = new BoundedLog(file, { maxBytes: 100 });
    for (let line = 0; line < 50; line++) log.write(`line ${line}\n`);
    log.write('y'.repeat(1000));
    log.close();
    expect(readFileSync(file, 'utf8')).toBe('y'.repeat(100));
    expect(readFileSync(`${file}.1`, 'utf8')).toMatch(/line 49\n$/);
    expect(statSync(`${file}.1`).size).toBeLessThanOrEqual(100);
  });

  test('a fresh one moves what was there aside', () => {
    const file = path.join(folder, 'log');
    writeFileSync(file, 'old');
    const log = new BoundedLog(file, { maxBytes: 100, fresh: true });
    log.write('new');
    log.close();
    expect([readFileSync(file, 'utf8'), readFileSync(`${file}.1`, 'utf8')]).toEqual(['new', 'old']);
  });

  test('a full disk is no reason to throw', () => {
    const log = new BoundedLog('/dev/full', { maxBytes: 100 });
    expect(() => log.write('x')).not.toThrow();
    log.close();
  });
});

describe('plain text', () => {
  test.each([
    ['\u001b[2J\u001b[1;1Hhello\u001b[0m\r\n', ['hello']],
    ['\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\b', ['ab']],
    ['\u001b(Bx\u001bcy\u001b7z', ['xyz']],
    ['\u0000\u0007a\u009bb\u202ec\u007f', ['abc']],
    ['one\r\r\ntwo\rthree\n\n  \nfour', ['one', 'two', 'three', 'four']],
    ['unfinished \u001b[12', ['unfinished 12']],
    [`${'x'.repeat(600)}`, [`${'x'.repeat(500)}...`]],
  ])('%j', (text, lines) => {
    expect(toPlainLines(Buffer.from(text))).toEqual(lines);
  });

  test('nothing that a terminal obeys ever comes through', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const line of toPlainLines(bytes)) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
  });
});

describe('tail', () => {
  test('the last lines of a long log', async () => {
    writeFileSync(
      path.join(folder, 'console.log'),
      Array.from({ length: 20_000 }, (_, index) => `line ${index}\r\n`).join(''),
    );
    expect(await tail(folder, 2)).toEqual(['line 19998', 'line 19999']);
    expect(await tail(folder, 0)).toEqual([]);
  });

  test('no log, no lines', async () => {
    expect(await tail(path.join(folder, 'nothing'), 5)).toEqual([]);
  });
});
