import { statSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../errors';
import type { VmSpec } from '../spec/vm-spec';
import { MACHINE_FILES, readJsonObject, replaceSmallFile } from './machine-files';

const MAX_BYTES = 1024 * 1024;

/**
 * Writes hyperkit.json: the keys of HyperKit's Go binding (moby/hyperkit go/hyperkit.go, struct HyperKit), which
 * existing tools read, and under `machine` our whole specification.
 */
export function writeHyperkitJson(spec: VmSpec, run: { readonly pid: number; readonly argv: readonly string[] }): void {
  const [hyperkit = '', ...programArguments] = run.argv;
  const document = {
    hyperkit,
    argv0: '',
    state_dir: spec.stateDir,
    vpnkit_sock: '',
    vpnkit_uuid: '',
    vpnkit_preferred_ipv4: '',
    uuid: spec.uuid,
    disks: spec.disks.map((disk) => ({ path: disk.path, size: sizeMiBOf(disk.path), format: 'raw', trim: true })),
    iso: spec.cdroms,
    vsock: false,
    vsock_dir: '',
    vsock_ports: [],
    vsock_guest_cid: 3,
    vmnet: false,
    '9p_sockets': [],
    kernel: spec.boot.kernel,
    initrd: spec.boot.initrd,
    bootrom: '',
    cpus: spec.vcpus,
    memory: spec.memoryMiB,
    console: 1,
    serials: [],
    pid: run.pid,
    arguments: programArguments,
    cmdline: spec.boot.commandLine,
    // Only whoever makes a machine restores or resumes it: started from this file it boots.
    machine: { ...spec, warm: undefined, resume: undefined },
  };
  replaceSmallFile(path.join(spec.stateDir, MACHINE_FILES.config), JSON.stringify(document), 0o644);
}

/** The specification in hyperkit.json, not yet validated. @throws EngineError HK_STATE_UNREADABLE when there is none. */
export function readHyperkitJson(stateDir: string): unknown {
  const file = path.join(stateDir, MACHINE_FILES.config);
  const machine = readJsonObject(file, MAX_BYTES)?.machine;
  if (machine === undefined) {
    throw new EngineError(
      'HK_STATE_UNREADABLE',
      `cannot read the machine's definition: ${file} holds none; create the machine again`,
    );
  }
  return machine;
}

function sizeMiBOf(file: string): number {
  return Math.ceil((statSync(file, { throwIfNoEntry: false })?.size ?? 0) / (1024 * 1024));
}
