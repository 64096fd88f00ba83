import {
  constants,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import fc from 'fast-check';
import { BoundedOutput } from '../../../../engine/console/bounded-output';
import { DescriptorStream } from '../../../../engine/console/descriptor-stream';
import { SerialLines } from '../../../../engine/console/open-serial';
import { RING_SIZE } from '../../../../engine/console/ring';
import { pollDescriptor } from '../../../../native/pty';

const UNUSED = { terminal: undefined, ringPath: undefined, systemLog: false };

let folder: string;
let lines: SerialLines;
let said: PassThrough;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-serial-'));
  said = new PassThrough();
  lines = new SerialLines(new BoundedOutput(said));
});
afterEach(async () => {
  await lines.close();
  rmSync(folder, { recursive: true });
});

/** What a terminal program does: opens the link. */
function attach(link: string): DescriptorStream {
  return new DescriptorStream(
    openSync(link, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY),
    pollDescriptor,
  );
}

async function hear(stream: DescriptorStream, bytes: number): Promise<string> {
  let text = '';
  await new Promise<void>((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.length >= bytes) resolve();
    });
  });
  return text;
}

describe('a pseudo-terminal', () => {
  test('is where its link points, carries bytes both ways as they are, and its link goes with it', async () => {
    const linkPath = path.join(folder, 'tty');
    writeFileSync(linkPath, '/dev/ttys003');
    const line = await lines.open({ ...UNUSED, terminal: { kind: 'autopty', linkPath } }, 'COM1');
    const typed = new Promise<string>((resolve) =>
      line.read((bytes) => resolve(Buffer.from(bytes).toString('latin1'))),
    );
    await new Promise((resolve) => setImmediate(resolve));
    const told = [said.read(), said.read()].join('');
    expect(told).toBe(`linkname ${linkPath}\nCOM1 connected to ${readlinkSync(linkPath)}\n`);

    const person = attach(linkPath);
    line.write(Buffer.from('login: \r\n'));
    expect(await hear(person, 9)).toBe('login: \r\n');
    person.write('\u0003x\r');
    expect(await typed).toBe('\u0003x\r');
    person.destroy();

    await lines.close();
    expect(existsSync(linkPath)).toBe(false);
  });

  test('takes output while nobody reads, and shows whoever comes the newest', async () => {
    const linkPath = path.join(folder, 'tty');
    const line = await lines.open({ ...UNUSED, terminal: { kind: 'autopty', linkPath } }, 'COM1');
    for (let index = 0; index < 5000; index++) line.write(Buffer.from(`line ${index} ${'.'.repeat(80)}\n`));
    const person = attach(linkPath);
    let text = '';
    await new Promise<void>((resolve) => {
      person.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (text.includes('line 4999 ')) resolve();
      });
    });
    expect(text.length).toBeLessThan(200_000);
    person.destroy();
  });

  test('paused input waits in the terminal', async () => {
    const linkPath = path.join(folder, 'tty');
    const line = await lines.open({ ...UNUSED, terminal: { kind: 'autopty', linkPath } }, 'COM1');
    const heard: string[] = [];
    line.read((bytes) => {
      heard.push(Buffer.from(bytes).toString('latin1'));
      line.pauseInput();
    });
    const person = attach(linkPath);
    person.write('one');
    while (heard.length < 1) await new Promise((resolve) => setImmediate(resolve));
    person.write('two');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toEqual(['one']);
    line.resumeInput();
    while (heard.length < 2) await new Promise((resolve) => setImmediate(resolve));
    person.destroy();
  });

  test('takes the place of a link or a file, but of nothing else', async () => {
    const opening = lines.open({ ...UNUSED, terminal: { kind: 'autopty', linkPath: folder } }, 'COM1');
    await expect(opening).rejects.toThrow(/EEXIST/);
    expect(lstatSync(folder).isDirectory()).toBe(true);
  });

  test('one side of another can be a port’s device', async () => {
    const linkPath = path.join(folder, 'tty');
    const first = await lines.open({ ...UNUSED, terminal: { kind: 'autopty', linkPath } }, 'COM1');
    const second = await lines.open({ ...UNUSED, terminal: { kind: 'device', path: linkPath } }, 'COM2');
    const heard = new Promise((resolve) => first.read((bytes) => resolve(Buffer.from(bytes).toString('latin1'))));
    second.write(Buffer.from('hello\n'));
    expect(await heard).toBe('hello\n');
  });
});

test('a device that is no terminal is refused', async () => {
  const opening = lines.open({ ...UNUSED, terminal: { kind: 'device', path: '/dev/zero' } }, 'COM1');
  await expect(opening).rejects.toMatchObject({ code: 'HK_DEVICE_FAILED' });
});

test('ports that share a ring write one after the other into it', async () => {
  const ringPath = path.join(folder, 'console-ring');
  const one = await lines.open({ ...UNUSED, ringPath }, 'COM1');
  const two = await lines.open({ ...UNUSED, ringPath }, 'COM2');
  one.write(Buffer.from('one '));
  two.write(Buffer.from('two '));
  one.write(Buffer.from('three'));
  await lines.close();
  const ring = readFileSync(ringPath);
  expect(ring.length).toBe(RING_SIZE);
  expect(ring.toString('latin1').replaceAll('\0', '')).toBe('one two three');
});

describe('bounded output', () => {
  test('keeps at most its share of the newest bytes while the reader stands still', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 }), async (chunks) => {
        let release: (() => void) | undefined;
        const written: Buffer[] = [];
        const stream = new Writable({
          write: (chunk: Buffer, _encoding, done) => {
            written.push(chunk);
            if (release === undefined) release = done;
            else done();
          },
        });
        const output = new BoundedOutput(stream, 64);
        output.write('first');
        for (const chunk of chunks) output.write(chunk);
        release?.();
        await output.drained(1000);
        const all = Buffer.concat(chunks);
        expect(Buffer.concat(written).toString('latin1')).toBe(
          `first${all.subarray(Math.max(0, all.length - 64)).toString('latin1')}`,
        );
      }),
      { numRuns: 50 },
    );
  });

  test('a reader that goes away is no failure', async () => {
    const stream = new PassThrough();
    const output = new BoundedOutput(stream);
    stream.destroy(new Error('EPIPE'));
    await new Promise((resolve) => setImmediate(resolve));
    output.write('x');
    await output.drained(10_000);
  });
});
