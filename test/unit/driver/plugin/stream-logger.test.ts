import { createStreamLogger, type LogStream } from '../../../../driver/plugin/stream-logger';

function capture(writableLength = 0): LogStream & { text: string } {
  return {
    text: '',
    writableLength,
    write(text: string) {
      this.text += text;
    },
  };
}

test('levels go to the streams by which docker-machine tells them apart', () => {
  const stdout = capture();
  const stderr = capture();
  const logger = createStreamLogger(stdout, stderr);
  logger.info('i');
  logger.warn('w');
  logger.debug('d');
  logger.error('e');
  expect(stdout.text).toBe('i\nw\n');
  expect(stderr.text).toBe('d\ne\n');
});

test('a text of several lines is several lines, empty ones left out', () => {
  const stdout = capture();
  createStreamLogger(stdout, capture()).info('a\r\n\nb\n');
  expect(stdout.text).toBe('a\nb\n');
  createStreamLogger(stdout, capture()).info('');
  expect(stdout.text).toBe('a\nb\n');
});

test.each(['x', '\u{1f40b}', '\u4e2d'])(
  'a line of many %j stays below the 64 KiB at which clients stop reading',
  (unit) => {
    const stdout = capture();
    createStreamLogger(stdout, capture()).info(unit.repeat(100_000));
    expect(stdout.text).toMatch(/… \(cut\)\n$/);
    expect(Buffer.byteLength(stdout.text)).toBeLessThan(64 * 1024);
  },
);

test('escape sequences are harmless, tabs and other languages stay', () => {
  const stdout = capture();
  createStreamLogger(stdout, capture()).info('\u001b[2Jä\tb\u0007\u009bc');
  expect(stdout.text).toBe('?[2Jä\tb??c\n');
});

test('nothing is hoarded for a reader that does not read', () => {
  const stdout = capture(2 * 1024 * 1024);
  createStreamLogger(stdout, capture()).info('x');
  expect(stdout.text).toBe('');
});
