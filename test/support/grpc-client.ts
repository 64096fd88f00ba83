import type { Peer } from './peers';
import { type RunOptions, run } from './run';

/** One call of the Go client, see test/peers/grpc-client/script.go. */
export interface GrpcStep {
  readonly call: string;
  readonly requests?: readonly object[];
  readonly unknownField?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly cancelOn?: string;
  readonly finishOn?: string;
  readonly together?: boolean;
}

export interface GrpcStatus {
  readonly code: string;
  readonly message?: string;
  readonly reason?: string;
  readonly domain?: string;
  readonly details?: Readonly<Record<string, string>>;
}

/** What came of one step. */
export interface GrpcOutcome {
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly status: GrpcStatus | undefined;
}

interface Line {
  readonly step: number;
  readonly message?: Readonly<Record<string, unknown>>;
  readonly status?: GrpcStatus;
}

/** Has Go's gRPC client make calls on one connection, one after the other unless told otherwise. */
export async function playGrpc(
  peer: Peer,
  target: string,
  steps: readonly GrpcStep[],
  { args = [], ...options }: RunOptions & { readonly args?: readonly string[] } = {},
): Promise<readonly GrpcOutcome[]> {
  if (!peer.available) throw new Error(peer.reason);
  // No proxy has any business between a test and its server.
  const env = { ...process.env, ...options.env, NO_PROXY: '*', no_proxy: '*' };
  const stdin = JSON.stringify(steps);
  const { code, stdout, output } = await run(peer.path, [...args, target], { ...options, env, stdin });
  if (code !== 0) throw new Error(`grpc-client: exit ${code}\n${output}`);
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  return steps.map((_, index) => {
    const own = lines.filter(({ step }) => step === index);
    return {
      messages: own.flatMap(({ message }) => (message === undefined ? [] : [message])),
      status: own.find(({ status }) => status !== undefined)?.status,
    };
  });
}
