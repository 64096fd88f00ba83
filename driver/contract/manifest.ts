import { description, license, name, version } from '../../package.json';
import { HYPERKIT_FLAGS } from './hyperkit-flags';

const REFLECTION = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];

/**
 * What `plugin-manifest.json` says of the plugin: made from the code that runs, so that a reader (an installer, a
 * fleet's inventory) learns names, flags and protocols without starting it. `npm run manifest` writes the file.
 */
export function buildManifest(): object {
  return {
    name,
    driver: 'hyperkit',
    version,
    description,
    license,
    executable: 'docker-machine-driver-hyperkit',
    programs: ['docker-machine-driver-hyperkit', 'hyperkit'],
    protocols: [
      {
        name: 'libmachine-rpc',
        apiVersion: 1,
        encoding: 'gob',
        transport: 'Go net/rpc over HTTP CONNECT on a loopback TCP port, announced on stdout',
        services: ['RPCServerDriver', 'RpcServerDriver'],
        clients: ['docker-machine', 'GitLab docker-machine', 'rancher-machine', 'minikube libmachine'],
      },
      {
        name: 'grpc',
        apiVersion: 1,
        encoding: 'protobuf',
        transport:
          'gRPC on a unix socket, or TCP with mutual TLS: docker-machine-driver-hyperkit serve --listen ADDRESS',
        services: ['hyperkit.driver.v1.MachineDriver', 'grpc.health.v1.Health', ...REFLECTION],
        clients: ['docker-machine-driver-hyperkit/client', 'any gRPC implementation, by proto/ or by reflection'],
      },
      {
        name: 'grpc-machine',
        apiVersion: 1,
        encoding: 'protobuf',
        transport: "gRPC on the unix socket control.sock in a running machine's folder",
        services: ['hyperkit.machine.v1.MachineControl', 'grpc.health.v1.Health', ...REFLECTION],
        clients: ['docker-machine-driver-hyperkit/client', 'any gRPC implementation, by proto/ or by reflection'],
      },
    ],
    platforms: [
      { os: 'linux', arch: 'x64', hypervisors: ['native', 'qemu'], accelerators: ['kvm', 'tcg'] },
      { os: 'darwin', arch: 'x64', hypervisors: ['qemu'], accelerators: ['hvf', 'tcg'] },
    ],
    capabilities: {
      lifecycle: ['create', 'start', 'stop', 'restart', 'kill', 'remove'],
      guest: 'any boot2docker-compatible ISO',
      rootRequired: false,
      portForwards: [22, 2376],
    },
    flags: HYPERKIT_FLAGS,
  };
}
