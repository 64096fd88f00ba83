import { ENGINE_FAULTS } from '../../grpc/fault';
import { GrpcHost } from '../../grpc/host';
import type { ControlSurface } from '../control-surface';
import { describeMachineControl } from './machine-control';

/** Serves a machine's control on connections that are handed to it. */
export function createControlHost(surface: ControlSurface): GrpcHost {
  const { log } = surface;
  const host = new GrpcHost({ services: [describeMachineControl(surface)], faults: ENGINE_FAULTS, log });
  log('somebody connected to the control socket');
  return host;
}
