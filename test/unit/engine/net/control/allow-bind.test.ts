import { EngineError } from '../../../../../engine/errors';
import { allowBind } from '../../../../../engine/net/control/allow-bind';

test('0.0.0.0 or :: in the list allows everything', () => {
  for (const list of [['0.0.0.0'], ['127.0.0.1', '::']]) {
    for (const address of ['0.0.0.0', '10.0.0.1', '::', 'fd00::1'])
      expect(() => allowBind(list)(address)).not.toThrow();
  }
});

test('a list allows what it names, in any spelling', () => {
  const allow = allowBind(['127.0.0.1', ' FD00:0::1 ']);
  for (const address of ['127.0.0.1', 'fd00::1', '::ffff:127.0.0.1']) expect(() => allow(address)).not.toThrow();
});

test.each(['10.0.0.1', '0.0.0.0', '::', '::1', 'nonsense'])(
  '%s is refused with the list of what is allowed',
  (address) => {
    const refused = new EngineError(
      'HK_FORWARD_FAILED',
      `cannot bind ${address}: only 127.0.0.1, 192.168.1.2 are allowed; add it to the allowed bind addresses`,
    );
    expect(() => allowBind(['127.0.0.1', '192.168.1.2'])(address)).toThrow(refused);
  },
);

test('an empty list allows nothing', () => {
  expect(() => allowBind([])('127.0.0.1')).toThrow('no address is allowed');
});

test('what is no address is an error of the configuration', () => {
  expect(() => allowBind(['127.0.0.1', 'localhost'])).toThrow('cannot allow binding to "localhost"');
});
