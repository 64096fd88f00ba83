import { createServer } from 'node:http';
import { formatIpv4 } from '../addressing/ipv4';
import { planNetwork } from '../addressing/plan-network';
import type { FlowEnds, StreamService } from '../flow';
import type { InnerServices } from '../gateway/inner-services';
import { createConfigApi } from '../http-proxy/config-api';
import { createHttpProxy, HTTP_PROXY_PORT, HTTPS_PROXY_PORT } from '../http-proxy/http-proxy';
import { createLiveConfig, watchConfigFile } from '../http-proxy/live-config';
import type { Closers } from './closers';
import type { ProgramSettings } from './command-line';
import { listenStream } from './listen-stream';

/** Guests' HTTP as it is intercepted. */
export interface HttpInterception {
  readonly intercept: (flow: FlowEnds) => StreamService | undefined;
  /** Adds the proxy's ports to the gateway's services. */
  serve(services: InnerServices): void;
}

/** Undefined where nothing asks for it. @throws EngineError */
export async function openHttp(
  { httpFile, httpApi, gatewayNames, addresses }: ProgramSettings,
  closers: Closers,
  log: (line: string) => void,
): Promise<HttpInterception | undefined> {
  if (httpFile === undefined && httpApi === undefined) return undefined;
  const live = createLiveConfig();
  if (httpFile !== undefined) {
    const watch = watchConfigFile(httpFile, live, log);
    closers.add(() => watch.close());
  }
  const ownHosts = [...gatewayNames, formatIpv4(planNetwork(addresses).gateway)];
  const proxy = createHttpProxy({ config: () => live.current, ownHosts, log });
  closers.add(() => proxy.close());
  if (httpApi !== undefined) {
    const api = createServer(createConfigApi(live));
    closers.add(await listenStream(httpApi, (socket) => void api.emit('connection', socket)));
  }
  return {
    intercept: (flow) => proxy.intercept(flow),
    serve: ({ streams }) => {
      streams.set(HTTP_PROXY_PORT, proxy.explicitProxy);
      streams.set(HTTPS_PROXY_PORT, proxy.explicitProxy);
    },
  };
}
