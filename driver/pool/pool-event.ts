/** What a keeper tells of its pool; programs get it as one JSON line each. */
export type PoolEvent =
  | {
      readonly event: 'started';
      readonly pool: string;
      readonly size: number;
      readonly memoryLimitMb: number;
      /** How many machines the limit is enough for. */
      readonly mostMachines: number;
    }
  /** An earlier keeper made it. */
  | { readonly event: 'adopted'; readonly machine: string }
  | { readonly event: 'creating'; readonly machine: string }
  | { readonly event: 'ready'; readonly machine: string; readonly seconds: number }
  | { readonly event: 'taken'; readonly machine: string }
  | { readonly event: 'retired'; readonly machine: string; readonly reason: string }
  | { readonly event: 'removed'; readonly machine: string }
  /** Not by the keeper. */
  | { readonly event: 'gone'; readonly machine: string }
  | {
      readonly event: 'failed';
      readonly machine: string;
      readonly doing: 'create' | 'remove';
      readonly error: unknown;
      readonly retrySeconds: number;
    }
  /** One machine more would be beyond the limit. */
  | { readonly event: 'full'; readonly memoryMb: number; readonly memoryLimitMb: number }
  | { readonly event: 'trouble'; readonly error: unknown; readonly retrySeconds: number }
  | { readonly event: 'stopping' };

/** One line for people. */
export function describeEvent(event: PoolEvent): string {
  switch (event.event) {
    case 'started':
      return `Keeping ${event.size} of pool "${event.pool}" ready, with at most ${event.memoryLimitMb} MB: ${event.mostMachines} machines`;
    case 'adopted':
      return `${event.machine}: taken over, ready`;
    case 'creating':
      return `${event.machine}: being created`;
    case 'ready':
      return `${event.machine}: ready after ${event.seconds} s`;
    case 'taken':
      return `${event.machine}: handed out`;
    case 'retired':
      return `${event.machine}: to be removed, ${event.reason}`;
    case 'removed':
      return `${event.machine}: removed`;
    case 'gone':
      return `${event.machine}: has been removed by somebody`;
    case 'failed':
      return `${event.machine}: cannot ${event.doing} it, trying again in ${event.retrySeconds} s: ${textOf(event.error)}`;
    case 'trouble':
      return `Cannot look after the pool, trying again in ${event.retrySeconds} s: ${textOf(event.error)}`;
    case 'full':
      return `No more machines: they take ${event.memoryMb} of ${event.memoryLimitMb} MB`;
    case 'stopping':
      return 'Stopping';
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
