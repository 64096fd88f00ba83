/**
 * The release of HyperKit whose interface this program offers, in HyperKit's own form (`0.` and a date). minikube reads
 * it from the first line and wants 20190201 or later.
 */
const INTERFACE_VERSION = 'v0.20261122';

/** HyperKit's `-v`: three parts, on stderr. */
export function printHyperkitVersion(): void {
  process.stderr.write(
    `hyperkit: ${INTERFACE_VERSION}\n\nHomepage: https://github.com/docker/hyperkit\nLicense: Apache-2.0\n`,
  );
}
