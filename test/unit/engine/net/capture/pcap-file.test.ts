import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createPcapFile, type PcapFileOptions } from '../../../../../engine/net/capture/pcap-file';
import { countDescriptors } from '../../../../support/descriptors';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { until } from '../../../../support/until';
import { ipv4, tcp, udp } from './frames';
import { readPcap } from './read-pcap';

let folder = '';
let lines: string[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  lines = [];
});

const file = (name = 'net.pcap'): string => path.join(folder, name);
const start = (options: Partial<PcapFileOptions> = {}) =>
  createPcapFile({ path: file(), maxBytes: 1024 * 1024, keep: 2, log: (line) => lines.push(line), ...options });
const read = (name?: string) => readPcap(readFileSync(file(name)));
const numbered = (number: number, bytes = 100): Buffer => {
  const frame = ipv4(17, udp(1, 2, bytes));
  frame.writeUInt32BE(number, 42);
  return frame;
};
const numbersIn = (name?: string): number[] => read(name).records.map(({ bytes }) => bytes.readUInt32BE(42));

test('frames are in the file, with their time, in order, for their owner only', async () => {
  const capture = await start();
  const before = Date.now() - 5;
  const padded = Buffer.concat([Buffer.alloc(3, 0xff), numbered(7), Buffer.alloc(3, 0xff)]);
  capture.capture(padded, 3, padded.length - 6, 'in');
  capture.capture(numbered(8), 0, 142, 'out');
  await capture.close();
  await capture.close();
  expect(numbersIn()).toEqual([7, 8]);
  expect(read().records[0]!.bytes.equals(numbered(7))).toBe(true);
  expect(read().records[0]!.timeMs).toBeGreaterThanOrEqual(before);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(capture.counters).toEqual({ captured: 2, dropped: 0 });
});

test('a frame is cut to the snap length and keeps its true length', async () => {
  const capture = await start({ snapLength: 60 });
  capture.capture(numbered(1), 0, 142, 'in');
  await capture.close();
  const { snapLength, records } = read();
  expect([snapLength, records[0]!.bytes.length, records[0]!.original]).toEqual([60, 60, 142]);
});

test('full files become path.1, path.2, and go', async () => {
  const recordBytes = 16 + 142;
  const capture = await start({ maxBytes: 24 + 10 * recordBytes, keep: 2 });
  for (let index = 0; index < 45; index++) capture.capture(numbered(index), 0, 142, 'in');
  await capture.close();
  expect(readdirSync(folder).sort()).toEqual(['net.pcap', 'net.pcap.1', 'net.pcap.2']);
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
  expect([numbersIn('net.pcap.2'), numbersIn('net.pcap.1'), numbersIn()]).toEqual([
    range(20, 30),
    range(30, 40),
    range(40, 45),
  ]);
});

test('without old files only the latest is there; a frame larger than a file has one of its own', async () => {
  const capture = await start({ maxBytes: 50, keep: 0 });
  for (let index = 0; index < 3; index++) capture.capture(numbered(index), 0, 142, 'in');
  await capture.close();
  expect([readdirSync(folder), numbersIn()]).toEqual([['net.pcap'], [2]]);
});

test('a file from before stays', async () => {
  writeFileSync(file(), 'before');
  await (await start()).close();
  expect(readFileSync(file('net.pcap.1'), 'utf8')).toBe('before');
  expect(read().records).toEqual([]);
});

test('frames beyond the buffer are dropped and counted, what is written stays whole', async () => {
  const capture = await start({ bufferBytes: 10_000 });
  for (let index = 0; index < 1000; index++) capture.capture(numbered(index), 0, 142, 'in');
  const { captured, dropped } = capture.counters;
  expect([captured + dropped, captured]).toEqual([1000, Math.floor(10_000 / 158)]);
  await until('there is room again', () => {
    capture.capture(numbered(5000), 0, 142, 'in');
    return capture.counters.captured > captured;
  });
  await capture.close();
  expect(read().records).toHaveLength(capture.counters.captured);
});

test('a write that fails ends the capture with one line', async () => {
  const capture = await start({ maxBytes: 300 });
  rmSync(folder, { recursive: true });
  for (let index = 0; index < 100; index++) capture.capture(numbered(index), 0, 142, 'in');
  await until('it fails', () => lines.length > 0);
  for (let index = 0; index < 100; index++) capture.capture(numbered(index), 0, 142, 'in');
  await capture.close();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^cannot write the capture .*net\.pcap: ENOENT.*; it ends here$/);
  expect(capture.counters.dropped).toBeGreaterThanOrEqual(100);
});

test.each(['no/such/folder/x.pcap', '.'])('%s cannot be captured to', async (name) => {
  await expect(start({ path: file(name) })).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: expect.stringMatching(/^cannot capture to .*; choose a file/),
  });
});

test('no descriptor is left', async () => {
  const before = countDescriptors();
  const capture = await start({ maxBytes: 200 });
  for (let index = 0; index < 20; index++) capture.capture(numbered(index), 0, 142, 'in');
  await capture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

const hasTcpdump = spawnSync('tcpdump', ['--version']).error === undefined;
(hasTcpdump ? test : test.skip)('tcpdump reads it', async () => {
  const capture = await start();
  capture.capture(ipv4(6, tcp(1000, 80)), 0, 58, 'in');
  await capture.close();
  const { stdout, status } = spawnSync('tcpdump', ['-nr', file()], { encoding: 'utf8' });
  expect(status).toBe(0);
  expect(stdout).toContain('.1000 > ');
});
