import path from 'node:path';
import { MACHINE_FILES } from '../../engine/machine/machine-files';
import type { DriverConfig } from './driver-config';

/** Where everything of one machine lives: `<store>/machines/<name>/…`, docker-machine's layout. */
export interface MachinePaths {
  /** The machine's folder; also the state folder of HyperKit's convention. */
  readonly directory: string;
  readonly iso: string;
  /** The data disk of the boot2docker convention, raw and sparse. */
  readonly dataDisk: string;
  readonly sshKey: string;
  /** While it is there, the data disk is a warm image's that has not become this machine's own. */
  readonly unfinishedClone: string;
  /** Held by whoever creates or starts the machine. */
  readonly lock: string;
}

/** Paths of the machine that a configuration names. StorePath is the base folder, not the machine's. */
export function machinePaths(config: Pick<DriverConfig, 'StorePath' | 'MachineName' | 'SSHKeyPath'>): MachinePaths {
  const directory = path.join(config.StorePath, 'machines', config.MachineName);
  return {
    directory,
    iso: path.join(directory, 'boot2docker.iso'),
    dataDisk: path.join(directory, `${config.MachineName}.rawdisk`),
    sshKey: config.SSHKeyPath === '' ? path.join(directory, 'id_rsa') : config.SSHKeyPath,
    unfinishedClone: path.join(directory, MACHINE_FILES.unfinishedClone),
    lock: machineLock(directory),
  };
}

/** The lock of the machine in that folder. */
export function machineLock(directory: string): string {
  return path.join(directory, 'hyperkit.lock');
}

/** Path of minikube's extra disk number `index`, counted from 0. */
export function extraDiskPath(paths: MachinePaths, machineName: string, index: number): string {
  return path.join(paths.directory, `${machineName}-${index}.rawdisk`);
}
