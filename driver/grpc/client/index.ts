/**
 * Typed clients of this project's gRPC services: `docker-machine-driver-hyperkit/client`.
 *
 * ```ts
 * const { driver, close } = connectDriver('unix:///run/user/1000/hyperkit.sock');
 * await driver.setConfigFromFlags({ machine: 'ci' });
 * for await (const { event } of driver.create({ machine: 'ci' })) if (event.case === 'progress') console.log(event.value.text);
 * close();
 * ```
 */
export type { CallOptions, ClientMethod, ServiceClient } from '../../../engine/grpc/client';
export { GrpcError } from '../../../engine/grpc/client';
export { connectMachine, type MachineConnection } from '../../../engine/machine/grpc/connect-machine';
export { HealthCheckResponse_ServingStatus as ServingStatus } from '../../../proto/generated/grpc/health/v1/health_pb';
export * as driverV1 from '../../../proto/generated/hyperkit/driver/v1/driver_pb';
export * as machineV1 from '../../../proto/generated/hyperkit/machine/v1/machine_pb';
export { type ClientTls, connectDriver, type DriverConnection } from './connect-driver';
