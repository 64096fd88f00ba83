// Four Docker hosts at the same time, one part of the work on each.
//
//   node four-hosts.js [MEMORY]     MiB of each, 768 unless told
import { type Machine, Machines } from 'docker-machine-driver-hyperkit';

const memoryMiB = Number(process.argv[2] ?? 768);
const machines = Machines.open();
const names = [1, 2, 3, 4].map((number) => `part-${process.pid}-${number}`);

// One that fails must not cut the others off: all are waited for.
const parts = await Promise.allSettled(
  names.map(async (name) => {
    const host = await machines.create(name, { memoryMiB });
    try {
      return await work(host);
    } finally {
      await host.remove();
    }
  }),
);
for (const [index, part] of parts.entries()) {
  console.log(`${names[index]}: ${part.status === 'fulfilled' ? part.value : String(part.reason)}`);
}
if (parts.some(({ status }) => status === 'rejected')) process.exitCode = 1;

async function work(host: Machine): Promise<string> {
  const { code, stdout, stderr } = await host.run('docker info --format "{{.ServerVersion}}, {{.NCPU}} CPU"');
  if (code !== 0) throw new Error(stderr.trim());
  return stdout.trim();
}
