import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { describeWith, PROJECT } from '../support/peers';
import { labGuests, labMissing, runInLab } from './lab';

/** What jobs/net-guest.ts prints. */
interface Outcome {
  readonly failed?: string;
  readonly exit: string;
  readonly lines: readonly string[];
  /** Of the bytes that are carried; what came out of each way of carrying them. */
  readonly bulk: string;
  readonly download: string;
  readonly tapDownload: string;
  readonly hostToGuest: string;
  readonly guestToHost: string;
  /** Files in the sockets' folder, and descriptors, that were left. */
  readonly left: readonly string[];
  readonly descriptors: readonly string[];
}

describeWith('a Linux guest of the native VMM', [labMissing()], () => {
  jest.setTimeout(900_000);
  // Inside of the project, where Node finds koffi.
  const folder = mkdtempSync(path.join(PROJECT, 'dist/lab-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let outcome: Outcome;

  beforeAll(async () => {
    const guests = labGuests();
    buildSync({
      absWorkingDir: PROJECT,
      entryPoints: { 'net-guest': 'test/lab/jobs/net-guest.ts', 'vcpu-worker': 'engine/vmm/vcpu/vcpu-worker.ts' },
      outdir: folder,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      platform: 'node',
      external: ['koffi'],
    });
    const program = path.join(folder, 'net-guest.cjs');
    const { status, stdout, stderr } = await runInLab({
      command: ['node', program, guests['generic-bzimage'], guests['generic-initramfs']],
      share: [guests.folder],
    });
    if (status !== 0) throw new Error(`the guest's program ended with ${status}:\n${stderr}`);
    outcome = JSON.parse(stdout) as Outcome;
    if (outcome.failed !== undefined) throw new Error(`${outcome.failed}:\n${stderr}`);
  });

  const lines = (pattern: RegExp): readonly string[] => outcome.lines.filter((line) => pattern.test(line));

  test('gets its address by DHCP, and the MTU and the card as they were given', () => {
    expect(lines(/^LEASE/)).toEqual(['LEASE 192.168.65.3 192.168.65.1 192.168.65.1']);
    expect(lines(/^MTU/)).toEqual(['MTU 1500 02:50:00:00:00:01']);
  });

  test('pings the gateway', () => {
    expect(lines(/packets/)).toEqual(['3 packets transmitted, 3 packets received, 0% packet loss']);
  });

  test('loads from the host over the gateway and over a tap device', () => {
    expect(lines(/GOT/)).toEqual([`GOT ${outcome.bulk} -`, `TAP-GOT ${outcome.bulk} -`]);
  });

  test('serves the host through a forward and over a tap device', () => {
    expect([outcome.download, outcome.tapDownload]).toEqual([outcome.bulk, outcome.bulk]);
  });

  test('talks with programs of the host over sockets, whoever calls', () => {
    expect(outcome.guestToHost).toBe(`hello from 42\n${outcome.bulk}  -`);
    expect(outcome.hostToGuest).toBe(outcome.bulk);
  });

  test('mounts a share of the host', () => {
    expect(lines(/^SHARE/)).toEqual(['SHARE a file of the host 2']);
  });

  test('switches itself off, and leaves nothing', () => {
    expect(outcome).toMatchObject({ exit: 'power-off', left: [], descriptors: [] });
  });
});
