import { parseLocation } from '../../../../driver/copy/location';

test.each([
  ['dev:/etc/hosts', 'dev', '/etc/hosts'],
  ['dev:', 'dev', '.'],
  ['dev:~', 'dev', '.'],
  ['dev:~/x', 'dev', 'x'],
  ['dev:a:b', 'dev', 'a:b'],
  ['my.machine-1:x', 'my.machine-1', 'x'],
])('%s is in a machine', (text, machine, path) => {
  expect(parseLocation(text)).toEqual({ machine, path });
});

test.each(['file', './dev:x', '/tmp/dev:x', ':x', '-x:y', '../a'])('%s is here', (text) => {
  expect(parseLocation(text)).toEqual({ machine: undefined, path: text });
});
