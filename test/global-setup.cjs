const { execFileSync } = require('node:child_process');
const path = require('node:path');

/** Builds the bundles into dist/ (a fraction of a second): tests that start a program start the one that ships. */
module.exports = () => {
  execFileSync(process.execPath, [path.join(__dirname, '..', 'scripts', 'build.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};
