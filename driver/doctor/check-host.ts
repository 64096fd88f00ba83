import { readFile, statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import path from 'node:path';
import { tryBind } from '../address/bindable';
import { DOCKER_PORT } from '../address/endpoint';
import { loopbackAddress } from '../address/loopback-address';
import type { Finding } from './finding';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** An ISO, boot files and what a new guest writes at first. */
const LEAST_SPACE_BYTES = GIB;
const GOOD_SPACE_BYTES = 8 * GIB;
/** A machine's default size, and some for this computer. */
const GOOD_MEMORY_BYTES = 1536 * MIB;
const SSH_PORT = 22;

/** What this computer has for machines: addresses, ports, space, memory. */
export async function checkHost(storePath: string): Promise<readonly Finding[]> {
  const address = loopbackAddress(storePath, 'doctor', 0);
  return [await checkAddress(address), await checkSshPort(address), await checkSpace(storePath), await checkMemory()];
}

async function checkAddress(address: string): Promise<Finding> {
  const subject = 'addresses';
  const outcome = await tryBind(address, DOCKER_PORT);
  if (outcome === 'free' || outcome === 'in-use') {
    return {
      subject,
      level: 'ok',
      text: `each machine can have its own of 127.64.0.0/10 (tried ${address}:${DOCKER_PORT})`,
    };
  }
  const text = `cannot listen on ${address}:${DOCKER_PORT}: ${outcome === 'not-ours' ? 'it is no address of this computer' : 'the kernel refuses'}`;
  if (outcome === 'not-ours' && process.platform === 'darwin') {
    return { subject, level: 'warn', text, mend: `sudo ifconfig lo0 alias ${address}` };
  }
  return { subject, level: 'fail', text };
}

async function checkSshPort(address: string): Promise<Finding> {
  const subject = 'port 22';
  if ((await tryBind(address, SSH_PORT)) !== 'no-permission') {
    return { subject, level: 'ok', text: 'can be listened on: "ssh docker@ADDRESS" reaches a machine' };
  }
  const text = 'needs a privilege, so SSH is on port 2222 of a machine, and containers cannot publish ports below 1024';
  return { subject, level: 'warn', text, mend: `sudo sysctl net.ipv4.ip_unprivileged_port_start=${SSH_PORT}` };
}

async function checkSpace(storePath: string): Promise<Finding> {
  const subject = 'disk space';
  // The store may not be there yet.
  for (let folder = storePath; ; folder = path.dirname(folder)) {
    const found = await statfs(folder).catch(() => undefined);
    if (found === undefined && folder !== path.dirname(folder)) continue;
    if (found === undefined) return { subject, level: 'fail', text: `cannot be told for ${storePath}` };
    const free = found.bavail * found.bsize;
    const level = free < LEAST_SPACE_BYTES ? 'fail' : free < GOOD_SPACE_BYTES ? 'warn' : 'ok';
    const text = `${(free / GIB).toFixed(1)} GiB free for ${storePath}`;
    return level === 'ok'
      ? { subject, level, text }
      : { subject, level, text: `${text}; machines grow as they are used` };
  }
}

async function checkMemory(): Promise<Finding> {
  const available = await availableMemory();
  const text = `${Math.round(available / MIB)} MiB available`;
  if (available >= GOOD_MEMORY_BYTES) return { subject: 'memory', level: 'ok', text };
  return {
    subject: 'memory',
    level: 'warn',
    text: `${text}; a machine has 1024 MiB unless --hyperkit-memory-size says less`,
  };
}

/** What programs can have without swapping (proc(5), MemAvailable): free memory leaves out what caches would give back. */
async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'latin1').catch(() => '');
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
}
