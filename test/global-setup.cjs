const { execFileSync } = require('node:child_process');
const path = require('node:path');

/** Builds the bundles into dist/ (a fraction of a second): tests that start a program start the one that ships. */
module.exports = (_globalConfig, { displayName }) => {
  // Most tests are about machines that boot; those about warm images have a cache of their own.
  if (displayName.name !== 'unit') process.env['HYPERKIT_WARM_CACHE_MB'] ??= '0';
  execFileSync(process.execPath, [path.join(__dirname, '..', 'scripts', 'build.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};
