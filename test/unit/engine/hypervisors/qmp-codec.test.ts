import fc from 'fast-check';
import {
  encodeCommand,
  QmpDecoder,
  type QmpMessage,
  QmpProtocolError,
} from '../../../../engine/hypervisors/qemu/qmp-codec';

const stream = Buffer.from(
  [
    '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r\n',
    '{"return": {}, "id": 1}\r\n',
    '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}\r\n',
    '{"event": "STOP"}\n\r\n',
    '{"id": 2, "error": {"class": "GenericError", "desc": "nicht heute, süße"}}\r\n',
  ].join(''),
);

const messages: readonly QmpMessage[] = [
  { kind: 'greeting' },
  { kind: 'return', id: 1, value: {} },
  { kind: 'event', name: 'SHUTDOWN', data: { guest: true, reason: 'guest-reset' } },
  { kind: 'event', name: 'STOP', data: {} },
  { kind: 'error', id: 2, description: 'nicht heute, süße' },
];

test('a command is one line', () => {
  expect(encodeCommand('stop', 7)).toBe('{"execute":"stop","id":7}\n');
  expect(encodeCommand('x', 8, { a: '1\n2' })).toBe('{"execute":"x","arguments":{"a":"1\\n2"},"id":8}\n');
});

test('messages come out however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
      const decoder = new QmpDecoder();
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const decoded = edges.slice(1).flatMap((end, index) => decoder.push(stream.subarray(edges[index] ?? 0, end)));
      expect(decoded).toEqual(messages);
    }),
  );
});

test('chunks may be reused by their owner', () => {
  const decoder = new QmpDecoder();
  const chunk = Buffer.from('{"event": "ST');
  decoder.push(chunk);
  chunk.fill(0);
  expect(decoder.push(Buffer.from('OP"}\n'))).toEqual([{ kind: 'event', name: 'STOP', data: {} }]);
});

test.each([
  'hello\n',
  '[]\n',
  '1\n',
  'null\n',
  '{}\n',
  '{"error": "no"}\n',
  '{"QMP": 1}\n',
  '{"event": 1}\n',
  '\u0000\n',
])('%j is not QMP', (text) => {
  expect(() => new QmpDecoder().push(Buffer.from(text))).toThrow(QmpProtocolError);
});

test('a line without end is not collected for ever', () => {
  const decoder = new QmpDecoder();
  const part = Buffer.alloc(300_000, 'x');
  expect(() => {
    for (let i = 0; i < 4; i++) decoder.push(part);
  }).toThrow(QmpProtocolError);
});

test('garbage is refused with the codec’s own error and nothing else', () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(`${text}\n`)),
  );
  fc.assert(
    fc.property(garbage, (bytes) => {
      try {
        new QmpDecoder().push(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(QmpProtocolError);
      }
    }),
  );
});
