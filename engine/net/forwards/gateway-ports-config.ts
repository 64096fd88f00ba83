import * as v from 'valibot';
import { EngineError } from '../../errors';
import { parsePort } from '../endpoint-text';
import { isV4, parseAddress } from '../wire/ip-address';
import type { GatewayPort } from './gateway-ports';
import { parseJsonList } from './json-list';

const MAX_PORTS = 1024;

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const schema = v.pipe(
  v.array(
    v.object({
      protocol: v.picklist(['tcp', 'udp']),
      external_port: port,
      internal_ip: v.pipe(
        v.string(),
        v.check((text) => parseAddress(text) !== undefined, 'must be an IP address'),
      ),
      internal_port: port,
    }),
  ),
  v.maxLength(MAX_PORTS),
);

/**
 * Reads VPNKit's `--tcpv4-forwards` and `--udpv4-forwards`: `port:ip:port,…`.
 * @throws EngineError HK_NET_CONFIG_INVALID
 */
export function parseGatewayPorts(protocol: GatewayPort['protocol'], text: string): readonly GatewayPort[] {
  const parts = text.split(',').filter((part) => part !== '');
  return parts.map((part) => {
    const [external = '', ip = '', internal = '', ...rest] = part.split(':');
    const to = { address: parseAddress(ip), port: parsePort(internal) ?? 0 };
    const port = parsePort(external) ?? 0;
    const { address } = to;
    if (rest.length > 0 || address === undefined || !isV4(address) || port === 0 || to.port === 0) {
      throw new EngineError(
        'HK_NET_CONFIG_INVALID',
        `cannot read the gateway's forwards: "${part}" is not of the form PORT:IPV4:PORT`,
      );
    }
    return { protocol, port, to: { address, port: to.port } };
  });
}

/**
 * Reads VPNKit's `--gateway-forwards`: `[{"protocol": "tcp", "external_port": 80, "internal_ip": "127.0.0.1",
 * "internal_port": 8080}, …]`.
 * @throws EngineError HK_NET_CONFIG_INVALID
 */
export function parseGatewayPortsFile(text: string): readonly GatewayPort[] {
  return parseJsonList(schema, text, "the gateway's forwards").map(
    ({ protocol, external_port, internal_ip, internal_port }) => ({
      protocol,
      port: external_port,
      to: { address: parseAddress(internal_ip)!, port: internal_port },
    }),
  );
}
