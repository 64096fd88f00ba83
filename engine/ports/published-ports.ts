import type { GuestPort } from '../spec/vm-spec';

/** More than any host can use; a guest that claims more is cut off here. */
export const MAX_PORTS = 1024;

/**
 * The ports published by the running containers, out of the answer to `GET /containers/json` (Docker Engine API,
 * ContainerSummary.Ports). Whatever doesn't look like one is left out: the guest is not trusted.
 */
export function readPublishedPorts(containers: unknown): readonly GuestPort[] {
  const found = new Map<string, GuestPort>();
  for (const container of list(containers)) {
    for (const entry of list(field(container, 'Ports'))) {
      const port = field(entry, 'PublicPort');
      const protocol = field(entry, 'Type');
      if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) continue;
      if (protocol !== 'tcp' && protocol !== 'udp') continue;
      // Published on the guest's own loopback, so not for anybody outside of it.
      if (String(field(entry, 'IP') ?? '').startsWith('127.')) continue;
      if (found.size < MAX_PORTS) found.set(portName({ protocol, port }), { protocol, port });
    }
  }
  return [...found.values()];
}

/** `8080/tcp`, Docker's spelling. */
export function portName({ protocol, port }: GuestPort): string {
  return `${port}/${protocol}`;
}

/** The list that a guest's answer should be; none when it is something else. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A field of a guest's answer. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
