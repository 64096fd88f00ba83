import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { drive, refusal } from '../support/drivers';
import { ISO, missingForMachines, NO_PROXY, Store, which } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';
import { run } from '../support/run';

// ISOs that cannot boot, and places where there is none.
const peer = buildPeer('docker-machine');

describeWith('a bad ISO', [...missingForMachines(), peer.available ? undefined : peer.reason], () => {
  jest.setTimeout(60_000);
  const store = new Store(peer.available ? peer.path : '', NO_PROXY);
  const file = (name: string): string => path.join(store.path, name);
  afterAll(() => store.dispose());

  /** The refusal of the check before a create with this ISO; nothing of the machine exists after it. */
  const refuse = async (url: string, env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const said = await drive(store, 'm', { flags: { 'boot2docker-url': url }, env }, ({ driver }) =>
      refusal(driver.preCreateCheck()),
    );
    expect(store.machines()).toEqual([]);
    return said;
  };

  beforeAll(async () => {
    writeFileSync(file('text.iso'), 'this is no ISO at all\n'.repeat(5000));
    writeFileSync(file('empty.iso'), '');
    await copyFile(ISO, file('short.iso'));
    truncateSync(file('short.iso'), 3 * 1024 * 1024);
  });

  test('none anywhere ends docker-machine with status 3, says how to get one, and leaves no machine', async () => {
    const outcome = await store.machine(['create', '-d', 'hyperkit', 'm'], { env: { XDG_CACHE_HOME: file('none') } });
    expect(outcome.code).toBe(3);
    expect(outcome.output).toContain(
      `cannot find a boot2docker ISO: there is none at ${file('cache/boot2docker.iso')}`,
    );
    expect(outcome.output).toContain('build one with image/build');
    expect(outcome.output).toContain('--hyperkit-boot2docker-url');
    expect(store.machines()).toEqual([]);
    expect(await store.succeed(['ls', '-q'])).toBe('');
    expect(existsSync(file('none'))).toBe(false);
  });

  test.each([
    ['that is not there', 'missing.iso', /missing\.iso.*(no such file|does not exist|ENOENT)/],
    ['that is a folder', '.', /cannot .*ISO/],
    ['that is empty', 'empty.iso', /cannot .*empty\.iso/],
    ['that is text', 'text.iso', /cannot .*text\.iso.*(not an ISO|no ISO)/],
    ['that was cut short', 'short.iso', /cannot .*short\.iso.*ends at byte 3145728/],
  ])('a file %s', async (_title, name, text) => {
    expect(await refuse(file(name))).toMatch(text);
  });

  test.each([
    ['of a scheme nobody has', 'ftp://example.com/b2d.iso', 'ftp is not supported; give an http, https or file URL'],
    ['where nobody answers', 'http://127.0.0.1:9/b2d.iso', 'ECONNREFUSED'],
  ])('a URL %s', async (_title, url, text) => {
    const said = await refuse(url);
    expect(said).toContain(url);
    expect(said).toContain(text);
  });

  test('with another checksum than the one asked for', async () => {
    const wanted = createHash('sha256').update('another file').digest('hex');
    expect(await refuse(`${ISO}#sha256=${wanted}`)).toMatch(
      new RegExp(`^cannot use ISO .*: its SHA-256 is [0-9a-f]{64}, not ${wanted}$`),
    );
  });

  describeWith('an ISO made for something else', [which('xorriso') ? undefined : 'no xorriso'], () => {
    const make = async (name: string, files: Readonly<Record<string, string>>): Promise<string> => {
      for (const [inside, content] of Object.entries(files)) {
        mkdirSync(path.dirname(file(`${name}/${inside}`)), { recursive: true });
        writeFileSync(file(`${name}/${inside}`), content);
      }
      const made = await run('xorriso', ['-as', 'mkisofs', '-R', '-V', name, '-o', file(`${name}.iso`), file(name)]);
      if (made.code !== 0) throw new Error(made.output);
      return file(`${name}.iso`);
    };

    test('has no kernel', async () => {
      const said = await refuse(await make('photos', { 'holiday/one.jpg': 'smile' }));
      expect(said).toMatch(/cannot boot ISO .*photos\.iso \(volume "photos"\): no kernel .* below \/boot/);
      expect(said).toContain('"holiday"');
      expect(said).toContain('use a boot2docker-compatible ISO');
    });

    test('has a kernel of another kind', async () => {
      const files = { 'boot/vmlinuz': 'MZ this is no kernel'.repeat(200), 'boot/initrd.img': 'nor is this an initrd' };
      expect(await refuse(await make('other', files))).toMatch(/kernel \/boot\/vmlinuz is no x86 bzImage/);
    });
  });

  test('in the cache is replaced by the one that was built', async () => {
    mkdirSync(file('cache'), { recursive: true });
    await copyFile(file('short.iso'), file('cache/boot2docker.iso'));
    await drive(store, 'm', { flags: {} }, async ({ driver, shown }) => {
      await driver.preCreateCheck();
      expect(shown.join('\n')).toMatch(/The cached ISO is replaced: .*ends at byte 3145728/);
    });
    expect(readFileSync(file('cache/boot2docker.iso')).equals(readFileSync(ISO))).toBe(true);
    expect(readdirSync(file('cache')).filter((name) => /lock|tmp|draft/.test(name))).toEqual([]);
  });

  test("in the machine's folder keeps the machine stopped and says why", async () => {
    store.save('damaged', { MachineName: 'damaged', StorePath: store.path });
    await copyFile(file('short.iso'), path.join(store.folder('damaged'), 'boot2docker.iso'));
    const before = readdirSync(store.folder('damaged'));
    const outcome = await store.machine(['start', 'damaged']);
    expect(outcome.code).not.toBe(0);
    expect(outcome.output).toMatch(/cannot .*damaged\/boot2docker\.iso/);
    expect(await store.succeed(['status', 'damaged'])).toBe('Stopped');
    expect(readdirSync(store.folder('damaged'))).toEqual(before);
    await store.succeed(['rm', '-y', 'damaged']);
    expect(store.machines()).toEqual([]);
  });

  test('in the end nothing runs any more', () => store.becomesQuiet());
});
