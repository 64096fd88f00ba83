/**
 * Virtual machines from a program: `docker-machine-driver-hyperkit`. See docs/library.md; what is exported here follows
 * semantic versioning, everything else in the package may change.
 *
 * ```ts
 * const host = await Machines.open().create('ci', { cpus: 2 });
 * console.log((await host.run('docker version')).stdout);
 * await host.remove();
 * ```
 */
export { EngineError, type EngineErrorCode } from '../../engine/errors';
export type { ExitReason } from '../../engine/hypervisors/hypervisor';
export type { AcceleratorChoice, HypervisorChoice, PortForward } from '../../engine/spec/vm-spec';
export { DriverError, type DriverErrorCode } from '../errors';
export type { CreatePhase } from '../host/create-host';
export type { CommandOptions, CommandResult } from '../ssh/command-result';
export { Engine } from './engine';
export type { Abortable, DockerOptions, Machine, MachineStateName } from './machine';
export type { DockerEngineOptions, MachineOptions } from './machine-options';
export { type CreateControl, type CreateProgress, Machines } from './machines';
export type { Vm, VmDisk, VmOptions } from './vm';
