const { execFileSync } = require('node:child_process');
const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { homedir, tmpdir } = require('node:os');
const path = require('node:path');

const PROJECT = path.join(__dirname, '..');

/** CPUs and MB of the machines that most tests make. */
const WARM_SIZES = [
  ['1', '1024'],
  ['2', '1024'],
];

/**
 * Builds the bundles into dist/ (a fraction of a second): tests that start a program start the one that ships. For e2e it
 * makes the warm images that machines go on from, once for an ISO; with HYPERKIT_WARM_CACHE_MB=0 all of them boot.
 */
module.exports = (_globalConfig, { displayName }) => {
  execFileSync(process.execPath, [path.join(PROJECT, 'scripts', 'build.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (displayName.name === 'e2e' && process.env['HYPERKIT_WARM_CACHE_MB'] !== '0') makeWarmImages();
};

function makeWarmImages() {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const iso = path.join(cache, 'docker-machine-driver-hyperkit', 'boot2docker.iso');
  if (!existsSync(iso)) return;
  const store = mkdtempSync(path.join(tmpdir(), 'hk-warm-up-'));
  try {
    for (const [cpus, memory] of WARM_SIZES) {
      const words = ['image', 'warm', '--cpu-count', cpus, '--memory-size', memory, '--boot2docker-url', iso];
      execFileSync(path.join(PROJECT, 'dist/bin/hyperkit'), words, {
        env: { ...process.env, MACHINE_STORAGE_PATH: store },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    }
  } catch (error) {
    // Machines boot then.
    console.error(`no warm images: ${error.message}`);
  } finally {
    rmSync(store, { recursive: true, force: true });
  }
}
