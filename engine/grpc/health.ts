import { status } from '@grpc/grpc-js';
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../proto/generated/grpc/health/v1/health_pb';
import { type DescribedService, describeService } from './handlers';

/** grpc.health.v1: the server as a whole (empty name) and each of its services, which serve until the server ends. */
export class Health {
  readonly service: DescribedService;
  readonly #names: ReadonlySet<string>;
  readonly #ended = new AbortController();

  constructor(services: readonly string[]) {
    this.#names = new Set(['', ...services]);
    this.service = describeService(HealthService, {
      check: async ({ service }) => {
        if (!this.#names.has(service)) throw new UnknownService(service);
        return { status: this.#status(service) };
      },
      watch: async ({ service }, outlet, signal) => {
        outlet.send({ status: this.#status(service) });
        await aborted(AbortSignal.any([signal, this.#ended.signal]));
        if (!signal.aborted) outlet.send({ status: this.#status(service) });
      },
    });
  }

  /** From now on nothing serves; whoever watches hears of it. */
  end(): void {
    this.#ended.abort();
  }

  #status(service: string): ServingStatus {
    if (!this.#names.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.#ended.signal.aborted ? ServingStatus.NOT_SERVING : ServingStatus.SERVING;
  }
}

/** The protocol asks for this very status. */
class UnknownService extends Error {
  readonly code = status.NOT_FOUND;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
