import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PROJECT } from '../../support/peers';

test('proto/generated is made from the .proto files as they are (npm run proto)', () => {
  const proto = path.join(PROJECT, 'proto');
  const hash = createHash('sha256');
  const names = readdirSync(proto, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));
  for (const name of names.sort()) hash.update(`${name}\n`).update(readFileSync(path.join(proto, name)));
  expect(readFileSync(path.join(proto, 'generated/sources.sha256'), 'utf8').trim()).toBe(hash.digest('hex'));
});
