import type { DriverConfig } from '../config/driver-config';

const MIB = 1024 * 1024;

/** Sizes of a machine with the flags' defaults for what its configuration leaves at zero. */
export interface MachineSize {
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
}

export function defaultsOf(config: DriverConfig): MachineSize {
  return {
    cpus: config.CPU === 0 ? 1 : config.CPU,
    memoryMiB: config.Memory === 0 ? 1024 : config.Memory,
    diskMiB: config.DiskSize === 0 ? 20_000 : config.DiskSize,
  };
}

export function diskBytes(config: DriverConfig): number {
  return defaultsOf(config).diskMiB * MIB;
}
