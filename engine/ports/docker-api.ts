import { readFile } from 'node:fs/promises';
import type { IncomingMessage, request } from 'node:http';
import { type Agent, type RequestOptions, request as tlsRequest } from 'node:https';
import path from 'node:path';

/** Where a machine's Docker answers, and the folder that holds the client's certificate for it. */
export interface DockerEndpoint {
  readonly address: string;
  readonly port: number;
  /** Holds ca.pem, cert.pem and key.pem: docker-machine copies them there while it provisions. */
  readonly certificates: string;
  /** Keeps connections for the next request; each has its own unless given. */
  readonly agent?: Agent;
}

const CONNECT_MS = 10_000;
const ANSWER_LIMIT_BYTES = 16 * 1024 * 1024;

/** Opens one GET request of the Docker Engine API. Rejects when there are no certificates yet or nobody answers. */
export async function openDocker(endpoint: DockerEndpoint, url: string, signal: AbortSignal): Promise<IncomingMessage> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(path.join(endpoint.certificates, name))),
  );
  const options: RequestOptions = {
    host: endpoint.address,
    port: endpoint.port,
    path: url,
    ca,
    cert,
    key,
    agent: endpoint.agent ?? false,
    signal,
  };
  return new Promise((resolve, reject) => {
    const asked: ReturnType<typeof request> = tlsRequest(options, (response) => {
      asked.setTimeout(0);
      if (response.statusCode === 200) resolve(response);
      else {
        response.resume();
        reject(new Error(`Docker answered ${response.statusCode} to ${url}`));
      }
    });
    asked.setTimeout(CONNECT_MS, () => asked.destroy(new Error(`Docker did not answer within ${CONNECT_MS} ms`)));
    asked.once('error', reject);
    asked.end();
  });
}

/** The answer to one GET request as JSON. The guest is not trusted: the answer's size is bounded. */
export async function getDockerJson(endpoint: DockerEndpoint, url: string, signal: AbortSignal): Promise<unknown> {
  const response = await openDocker(endpoint, url, signal);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_LIMIT_BYTES) {
      response.destroy();
      throw new Error(`Docker's answer to ${url} is longer than ${ANSWER_LIMIT_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}
