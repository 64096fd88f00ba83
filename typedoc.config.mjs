// The reference of what package.json exports: `npm run docs` writes it to release/docs. A warning fails it.
import { OptionDefaults } from 'typedoc';

// biome-ignore lint/style/noDefaultExport: the form typedoc asks for
export default {
  name: 'docker-machine-driver-hyperkit',
  tsconfig: 'tsconfig.types.json',
  entryPoints: ['driver/library/index.ts', 'driver/grpc/client/index.ts', 'driver/rpc/index.ts', 'driver/gob/index.ts'],
  out: 'release/docs',
  readme: 'none',
  // What protoc-gen-es says about where a message comes from.
  blockTags: [...OptionDefaults.blockTags, '@generated'],
  requiredToBeDocumented: ['Class', 'Function', 'Interface', 'Method', 'TypeAlias', 'Variable'],
  // The health service is gRPC's own.
  intentionallyNotExported: ['Health', 'MachineStatus'],
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  treatWarningsAsErrors: true,
};
