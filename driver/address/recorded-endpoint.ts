import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Endpoint } from './endpoint';

const SSH_GUEST_PORT = 22;

/** Where the machine's last start put it, by its hyperkit.json; undefined when it was never started or the file is no use. */
export async function readEndpoint(machineDirectory: string): Promise<Endpoint | undefined> {
  try {
    const document: unknown = JSON.parse(await readFile(path.join(machineDirectory, 'hyperkit.json'), 'utf8'));
    const network = record(record(record(document)['machine'])['network']);
    const forwards = network['forwards'];
    const address = network['bindAddress'];
    if (!Array.isArray(forwards) || typeof address !== 'string') return undefined;
    const ssh = forwards.map(record).find((forward) => forward['guestPort'] === SSH_GUEST_PORT);
    const sshPort = ssh?.['hostPort'];
    return typeof sshPort === 'number' ? { address, sshPort } : undefined;
  } catch {
    return undefined;
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
