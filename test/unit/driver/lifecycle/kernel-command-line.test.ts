import { resetOnPanic } from '../../../../driver/lifecycle/kernel-command-line';

test.each([
  ['loglevel=3 console=ttyS0', 'loglevel=3 console=ttyS0 panic=1'],
  ['', 'panic=1'],
  ['panic=0 base', 'panic=0 base'],
  ['base panic=10', 'base panic=10'],
  ['base kpanic=1', 'base kpanic=1 panic=1'],
])('"%s" becomes "%s"', (given, wanted) => {
  expect(resetOnPanic(given)).toBe(wanted);
});
