// Four layers, see docs/testing.md: unit (seconds, everywhere), contract (real Go peers), lab (native KVM in an emulated
// machine), e2e (real virtual machines).
const swc = [
  '@swc/jest',
  { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
];
const layer = (displayName) => ({
  displayName,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${displayName}/**/*.test.ts`],
  transform: { '\\.ts$': swc },
  // The programs under test are the bundles that ship, so they are built once before the first test.
  globalSetup: '<rootDir>/test/global-setup.cjs',
});

// A hang, not a slow machine, is what ends a test.
module.exports = { testTimeout: 60_000, projects: [layer('unit'), layer('contract'), layer('lab'), layer('e2e')] };
