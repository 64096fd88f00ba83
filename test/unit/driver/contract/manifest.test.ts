import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildManifest } from '../../../../driver/contract/manifest';

test('plugin-manifest.json is what the code says (mend with: npm run manifest)', () => {
  const file = path.join(__dirname, '../../../../plugin-manifest.json');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(buildManifest())));
});
