/* dist/hyperkit-network.cjs FOLDER: the network of that folder, until nobody needs it (see run-shared-network.ts). */
async function main(): Promise<number> {
  const [, , folder] = process.argv;
  if (folder === undefined) {
    process.stderr.write('usage: hyperkit-network FOLDER (started by the driver and by hyperkit, not by hand)\n');
    return 64;
  }
  const { runSharedNetwork } = await import('./run-shared-network');
  return await runSharedNetwork(folder);
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
