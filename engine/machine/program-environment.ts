import path from 'node:path';

/**
 * The environment of a process that runs a program of this package, in another folder than this one. Options meant for
 * this Node (an inspector's port, a preloaded module) are not meant for its.
 */
export function programEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _dropped, NODE_CHANNEL_FD: _channel, ...env } = process.env;
  if (env.HYPERKIT_QEMU?.includes('/')) env.HYPERKIT_QEMU = path.resolve(env.HYPERKIT_QEMU);
  return env;
}
