import type { Command, CommandEntry } from './command';

const entry = (verb: string, summary: string, load: () => Promise<Command>): CommandEntry => ({ verb, summary, load });

/** Every verb, in the order of `hyperkit --help`. A verb's code is loaded when it is asked for. */
export const COMMANDS: readonly CommandEntry[] = [
  entry('create', 'make Docker hosts', async () => (await import('./commands/create')).create),
  entry('ls', 'list machines', async () => (await import('./commands/ls')).ls),
  entry('start', 'start machines', async () => (await import('./commands/start')).start),
  entry('stop', 'shut machines down', async () => (await import('./commands/stop')).stop),
  entry('restart', 'shut machines down and start them again', async () => (await import('./commands/restart')).restart),
  entry('suspend', 'save machines as they run', async () => (await import('./commands/suspend')).suspend),
  entry('resume', 'let suspended machines go on', async () => (await import('./commands/resume')).resume),
  entry('kill', "pull machines' plugs", async () => (await import('./commands/kill')).kill),
  entry('rm', 'delete machines with all their data', async () => (await import('./commands/rm')).rm),
  entry('status', "a machine's state", async () => (await import('./commands/status')).status),
  entry('ip', 'addresses of machines', async () => (await import('./commands/ip')).ip),
  entry('url', 'where their Docker is', async () => (await import('./commands/url')).url),
  entry('env', 'what a shell sets for docker', async () => (await import('./commands/env')).env),
  entry('config', 'options for the docker command', async () => (await import('./commands/config')).config),
  entry('inspect', "a machine's configuration", async () => (await import('./commands/inspect')).inspect),
  entry('ssh', 'run a command or a shell in a machine', async () => (await import('./commands/ssh')).ssh),
  entry('scp', 'copy files to, from and between machines', async () => (await import('./commands/scp')).scp),
  entry('console', "attach to a machine's serial console", async () => (await import('./commands/console')).console),
  entry('logs', "show a machine's console or Docker log", async () => (await import('./commands/logs')).logs),
  entry('ports', 'list the ports that lead to a machine', async () => (await import('./commands/ports')).ports),
  entry('upgrade', 'give machines the current ISO', async () => (await import('./commands/upgrade')).upgrade),
  entry(
    'regenerate-certs',
    'make new TLS certificates',
    async () => (await import('./commands/regenerate-certs')).regenerateCerts,
  ),
  entry('image build', 'build the guest image', async () => (await import('./commands/image-build')).imageBuild),
  entry(
    'image warm',
    'make a warm image, so that machines need not boot',
    async () => (await import('./commands/image-warm')).imageWarm,
  ),
  entry('image rm', 'delete warm images', async () => (await import('./commands/image-rm')).imageRm),
  entry('image ls', 'list guest images', async () => (await import('./commands/image-ls')).imageLs),
  entry(
    'swarm create',
    'make machines and join them into a Docker Swarm',
    async () => (await import('./commands/swarm-create')).swarmCreate,
  ),
  entry('swarm ls', 'list swarms', async () => (await import('./commands/swarm-ls')).swarmLs),
  entry('swarm rm', 'delete swarms with their machines', async () => (await import('./commands/swarm-rm')).swarmRm),
  entry('pool run', 'keep Docker hosts ready to be taken', async () => (await import('./commands/pool-run')).poolRun),
  entry('pool take', 'take a ready Docker host', async () => (await import('./commands/pool-take')).poolTake),
  entry('pool ls', 'list pools', async () => (await import('./commands/pool-ls')).poolLs),
  entry('pool rm', 'delete a pool that nobody keeps', async () => (await import('./commands/pool-rm')).poolRm),
  entry(
    'doctor',
    'what can run virtual machines on this host, measured',
    async () => (await import('./commands/doctor')).doctor,
  ),
  entry('completion', 'completion for a shell', async () => (await import('./commands/completion')).completion),
  entry('version', 'version of this program or of Docker', async () => (await import('./commands/version')).version),
];
