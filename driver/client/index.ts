/** The client's half of docker-machine's contract: a plugin process, started and driven without docker-machine. */
export { DriverClient, type DriverClientOptions } from './driver-client';
export {
  type ExitStatus,
  LaunchError,
  type LaunchErrorCode,
  type LaunchedPlugin,
  type LaunchOptions,
  launchPlugin,
} from './launch-plugin';
