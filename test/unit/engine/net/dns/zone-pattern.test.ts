import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { compileZonePattern } from '../../../../../engine/net/dns/zone-pattern';

const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '[a-c]', '\\d', '\\w', '\\.', '1', '-', '^', '$', '');
const pattern = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    atom,
    fc.tuple(tie('node'), tie('node')).map(([left, right]) => `${left}${right}`),
    fc.tuple(tie('node'), tie('node')).map(([left, right]) => `(${left}|${right})`),
    fc
      .tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?'))
      .map(([node, times]) => `(?:${node})${times}`),
  ),
})).node;

it('matches what JavaScript matches', () => {
  fc.assert(
    fc.property(pattern, fc.stringMatching(/^[a-d1.-]{0,8}$/), (source, text) => {
      expect(compileZonePattern(source).matches(text)).toBe(new RegExp(source).test(text));
    }),
    { numRuns: 2000 },
  );
});

it.each([
  ['^.*-APPS$', 'my-apps', true],
  ['(?i)^foo', 'foobar', true],
  ['(?P<name>[A-Z]{3})\\z', 'xyz', true],
  ['\\Ab[]x]c', 'b]c', true],
  ['a{', 'a{', true],
  ['^[\\w-]+$', 'a-b', true],
  ['^[+--]$', ',', true],
  ['^[^\\d.]$', '7', false],
])('%s and %s: %s', (source, text, matches) => {
  expect(compileZonePattern(source).matches(text)).toBe(matches);
});

it.each([
  '(',
  ')',
  '[a',
  '[b-a]',
  '*',
  'a**',
  'a{2}{3}',
  '\\b',
  '\\1',
  '(?=a)',
  '(?<!a)',
  '[[:alpha:]]',
  'a{2000}',
  'a{3,2}',
  '\\',
])('refuses %s', (source) => {
  expect(() => compileZonePattern(source)).toThrow(EngineError);
});

it('throws its own error only', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[()[\]{}*+?|\\^$.,0-9a-]{0,30}$/)),
      (source) => {
        try {
          compileZonePattern(source).matches('some.name');
        } catch (cause) {
          expect(cause).toBeInstanceOf(EngineError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

it('takes no time that grows faster than the text, and refuses what would take too much room', () => {
  for (const source of ['(a+)+$', '^(a|a)*$', '(a*)*b', '((a?){9}){9}$']) {
    expect(compileZonePattern(source).matches(`${'a'.repeat(252)}c`)).toBe(source.includes('?'));
  }
  expect(() => compileZonePattern('(((a{100}){100}){100}){100}')).toThrow('more than 1024 steps');
  expect(compileZonePattern(`${'('.repeat(30)}${'){1000}'.repeat(30)}`).size).toBeLessThan(10);
  expect(() => compileZonePattern('('.repeat(200))).toThrow('nested too deep');
  expect(() => compileZonePattern('a'.repeat(513))).toThrow('longer than 512');
});
