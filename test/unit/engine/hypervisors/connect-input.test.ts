import { PassThrough } from 'node:stream';
import { connectInput as connectBoard } from '../../../../engine/hypervisors/native/connect-input';
import { connectInput as connectQemu } from '../../../../engine/hypervisors/qemu/connect-input';
import { until } from '../../../support/until';

/** A line that notes whether it stands still. */
function makeLine() {
  const line = {
    type: (_bytes: Uint8Array): void => undefined,
    paused: false,
    read: (listener: (bytes: Uint8Array) => void): void => {
      line.type = listener;
    },
    pauseInput: (): void => {
      line.paused = true;
    },
    resumeInput: (): void => {
      line.paused = false;
    },
  };
  return line;
}

test('a port of our own hypervisor takes what it has room for, in order', () => {
  const line = makeLine();
  let room = 3;
  let ready = (): void => undefined;
  const taken: string[] = [];
  const board = {
    typeIn: (_wire: unknown, bytes: Uint8Array): number => {
      const count = Math.min(room, bytes.length);
      room -= count;
      taken.push(Buffer.from(bytes.subarray(0, count)).toString());
      return count;
    },
    onTypeReady: (_wire: unknown, listener: () => void): void => {
      ready = listener;
    },
  };
  connectBoard(board, 'com1', line);
  line.type(Buffer.from('hello'));
  expect(line.paused).toBe(true);
  line.type(Buffer.from(' you')); // It was on its way when the line was stopped.
  room = 4;
  ready();
  expect(line.paused).toBe(true);
  room = 100;
  ready();
  expect(line.paused).toBe(false);
  expect(taken.join('')).toBe('hello you');
});

test('a port of QEMU stops the line while its socket is full, and a QEMU that is gone takes nothing', async () => {
  const line = makeLine();
  const socket = new PassThrough({ highWaterMark: 4 });
  connectQemu(socket, line);
  line.type(Buffer.from('longer'));
  expect(line.paused).toBe(true);
  expect(String(socket.read())).toBe('longer');
  await until('room', () => !line.paused);
  socket.destroy();
  line.type(Buffer.from('nobody'));
});
