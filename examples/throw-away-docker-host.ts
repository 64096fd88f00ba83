// A Docker host for one run of a test suite, gone afterwards whatever happens.
//
//   node throw-away-docker-host.js [NAME]
import { request } from 'node:https';
import { type DockerOptions, Machines } from 'docker-machine-driver-hyperkit';

const name = process.argv[2] ?? `suite-${process.pid}`;
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')));

const host = await Machines.open().create(
  name,
  { memoryMiB: 1024 },
  {
    signal: interrupted.signal,
    onProgress: ({ phase, text }) => console.error(text === undefined ? `${phase}...` : `  ${text}`),
  },
);
try {
  // `new Docker(await host.dockerOptions())` with dockerode; plain HTTPS does as well.
  const docker = await host.dockerOptions();
  console.log(`Docker ${await version(docker)} at ${await host.dockerUrl()}`);
  console.log(`its kernel: ${(await host.run('uname -sr', interrupted)).stdout.trim()}`);
} finally {
  await host.remove();
}

async function version(docker: DockerOptions): Promise<string> {
  const text = await new Promise<string>((resolve, reject) => {
    const call = request({ ...docker, path: '/version', timeout: 60_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        body += piece;
      });
      response.on('end', () => resolve(body));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error('Docker does not answer')));
    call.on('error', reject);
    call.end();
  });
  return (JSON.parse(text) as { readonly Version: string }).Version;
}
