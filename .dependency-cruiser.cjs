// The rooms of docs/architecture.md: driver -> engine -> native, no way back, no cycles.
const forbid = (name, from, to) => ({ name, severity: 'error', from: { path: from }, to: { path: to } });

module.exports = {
  forbidden: [
    forbid('native-imports-nothing-of-ours', '^native/', '^(driver|engine)/'),
    forbid('engine-does-not-know-the-driver', '^engine/', '^driver/'),
    forbid('driver-does-not-touch-native', '^driver/', '^native/'),
    forbid('gob-is-a-library-of-its-own', '^driver/gob/', '^(driver/(?!gob/)|engine/|native/)'),
    forbid('rpc-knows-only-gob', '^driver/rpc/', '^(driver/(?!gob/|rpc/)|engine/|native/)'),
    forbid('proto-imports-nothing-of-ours', '^proto/', '^(driver|engine|native)/'),
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
