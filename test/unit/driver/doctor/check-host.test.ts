import path from 'node:path';
import { checkHost } from '../../../../driver/doctor/check-host';
import { checkImages } from '../../../../driver/doctor/check-images';
import { temporaryFolder } from '../../../support/temporary-folder';

test('what was measured is told with each finding, also for a store that is not there yet', async () => {
  const store = path.join(temporaryFolder(), 'not', 'there', 'yet');
  const findings = await checkHost(store);
  expect(findings.map(({ subject }) => subject)).toEqual(['addresses', 'port 22', 'disk space', 'memory']);
  const texts = Object.fromEntries(findings.map(({ subject, text }) => [subject, text]));
  expect(texts['addresses']).toMatch(/127\.\d+\.\d+\.\d+:2376/);
  expect(texts['disk space']).toMatch(new RegExp(`^\\d+\\.\\d GiB free for ${store}`));
  expect(texts['memory']).toMatch(/^\d+ MiB available/);
});

test('without an image it says how to get one', async () => {
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = temporaryFolder();
  try {
    const [iso] = await checkImages(temporaryFolder());
    expect(iso).toMatchObject({ subject: 'guest image', level: 'warn', mend: 'hyperkit image build' });
  } finally {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  }
});
