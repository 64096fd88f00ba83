/* dist/vpnkit.cjs: the user-mode network as a program of its own, see program/command-line.ts for its options. */
import('./program/run-vpnkit')
  .then(({ runVpnkit }) => runVpnkit(process.argv.slice(2)))
  .then(
    (status) => {
      process.exitCode = status;
    },
    (error: unknown) => {
      process.stderr.write(`vpnkit: ${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = 1;
    },
  );
