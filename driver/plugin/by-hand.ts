import { buildCommit, packageVersion as version } from '../version';

/** What to print when nobody speaks RPC with us, and where. */
export interface Answer {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
  readonly exitCode: number;
}

// docker-machine's own wording, known from every other driver.
const REFUSAL = `This is a Docker Machine plugin binary.
Plugin binaries are not intended to be invoked directly.
Please use this plugin through the main 'docker-machine' binary.
(API version: 1)
`;

const HELP = `docker-machine-driver-hyperkit v${version}: the hyperkit driver of docker-machine.

docker-machine starts this program by itself when it is in PATH:
  docker-machine create --driver hyperkit NAME
  docker-machine create --driver hyperkit --help      the driver's options

The same machines without docker-machine: see hyperkit --help.
The driver over gRPC, for programs: docker-machine-driver-hyperkit serve --help
`;

/** Answers a start without docker-machine. `version` is what minikube asks, and parses, before it trusts a driver. */
export function answerByHand(args: readonly string[]): Answer {
  const print = (text: string): Answer => ({ stream: 'stdout', text, exitCode: 0 });
  if (args.length === 1) {
    if (args[0] === 'version') return print(`version: v${version}\ncommit: ${buildCommit()}\n`);
    if (args[0] === '-v' || args[0] === '--version') return print(`docker-machine-driver-hyperkit v${version}\n`);
    if (args[0] === '-h' || args[0] === '--help') return print(HELP);
  }
  return { stream: 'stderr', text: REFUSAL, exitCode: 1 };
}
