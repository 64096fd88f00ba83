import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { DhcpOptionsFile, parseDhcpOptions } from '../../../../../engine/net/dhcp/options-file';
import { temporaryFolder } from '../../../../support/temporary-folder';

const folder = temporaryFolder();
let count = 0;
const freshPath = (): string => {
  const path = join(folder, String(count++), 'dhcp.json');
  mkdirSync(dirname(path));
  return path;
};

/** Opens the file; `said` waits for a line of the log. */
function openFile(path: string) {
  const lines: string[] = [];
  const waiting: { pattern: RegExp; resolve: () => void }[] = [];
  const file = new DhcpOptionsFile(path, (line) => {
    lines.push(line);
    for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve();
  });
  const said = (pattern: RegExp): Promise<void> => new Promise((resolve) => waiting.push({ pattern, resolve }));
  return { file, lines, said };
}

it('reads what VPNKit reads', () => {
  expect(parseDhcpOptions('{"searchDomains":["a.example","b"],"domainName":"example"}')).toEqual({
    searchDomains: ['a.example', 'b'],
    domainName: 'example',
  });
  expect(parseDhcpOptions('{"unknown":1}')).toEqual({});
  // The Go client's, with nothing filled in.
  expect(parseDhcpOptions('{"searchDomains":null,"domainName":""}')).toEqual({ domainName: '' });
});

it.each([
  ['', 'it is not a JSON object'],
  ['[]', 'it is not a JSON object'],
  ['{"searchDomains":"a"}', 'searchDomains must be a list'],
  ['{"searchDomains":["a",7]}', 'searchDomains.1 must be a text'],
  ['{"searchDomains":["a b"]}', 'searchDomains.0 must be a domain name'],
  ['{"domainName":"a/b"}', 'domainName must be a domain name'],
  [JSON.stringify({ searchDomains: Array(1025).fill('a') }), 'searchDomains must be at most 1024 domains'],
])('refuses %.40s', (text, reason) => {
  expect(parseDhcpOptions(text)).toBe(reason);
});

it('survives any text', () => {
  const shaped = fc
    .record({ searchDomains: fc.anything(), domainName: fc.anything() })
    .map((value) =>
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)),
    );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), shaped), (text) => {
      expect(['string', 'object']).toContain(typeof parseDhcpOptions(text));
    }),
  );
});

it('follows the file, also when another takes its place, and keeps the last good one', async () => {
  const path = freshPath();
  writeFileSync(path, '{"domainName":"one"}');
  const { file, lines, said } = openFile(path);
  expect(file.current).toEqual({ domainName: 'one' });

  const broken = said(/dhcp\.json: it is not a JSON object; what it said before still counts/);
  writeFileSync(path, '{"domainName":');
  await broken;
  expect(file.current).toEqual({ domainName: 'one' });

  const gone = said(/dhcp\.json: it can't be read/);
  rmSync(path);
  await gone;
  expect(file.current).toEqual({ domainName: 'one' });

  const back = said(/uses the new content of .*dhcp\.json/);
  writeFileSync(`${path}.new`, '{"domainName":"two","searchDomains":["x"]}');
  renameSync(`${path}.new`, path);
  await back;
  expect(file.current).toEqual({ domainName: 'two', searchDomains: ['x'] });
  expect(lines).toHaveLength(3);
  file.close();
});

it('starts without its file and the folder of it, says so, and takes it up when it comes', async () => {
  const path = join(folder, 'nowhere', 'dhcp.json');
  const { file, lines, said } = openFile(path);
  expect(file.current).toEqual({});
  expect(lines).toEqual([expect.stringMatching(/cannot use .*can't be read/)]);
  const there = said(/uses the new content of .*dhcp\.json/);
  mkdirSync(dirname(path));
  writeFileSync(path, '{"domainName":"late"}');
  await there;
  expect(file.current).toEqual({ domainName: 'late' });
  file.close();
});
