import { EngineError } from '../../errors';
import type { Route } from './classless-routes';

/** What guests are told about names. */
export interface DhcpDomains {
  /** Empty: they are not told. */
  readonly domainName: string;
  readonly searchDomains: readonly string[];
}

export interface DhcpSettings {
  /** {@link DEFAULT_LEASE_SECONDS}; 0xffffffff is for ever. */
  readonly leaseSeconds?: number;
  /** The gateway. */
  readonly dnsServers?: readonly number[];
  /** The gateway, as VPNKit says. An empty list where nothing answers there. */
  readonly ntpServers?: readonly number[];
  /** Besides the default route. */
  readonly routes?: readonly Route[];
  /** Asked for each answer, so a file may change them. */
  readonly domains?: () => DhcpDomains;
  readonly log?: (line: string) => void;
}

/** 68 years, as VPNKit: guests drop connections when they renew (moby/vpnkit#603), and nothing is gained by it. */
export const DEFAULT_LEASE_SECONDS = 0x7fff_ffff;
export const INFINITE_LEASE_SECONDS = 0xffff_ffff;
const MIN_LEASE_SECONDS = 60;

/** VPNKit's. */
export const DEFAULT_DOMAIN = 'localdomain';

/** @throws EngineError HK_NET_CONFIG_INVALID */
export function checkLeaseSeconds(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= MIN_LEASE_SECONDS && seconds <= INFINITE_LEASE_SECONDS) return seconds;
  const range = `a whole number of seconds from ${MIN_LEASE_SECONDS} to ${INFINITE_LEASE_SECONDS}`;
  throw new EngineError('HK_NET_CONFIG_INVALID', `cannot serve DHCP: the lease of ${seconds} must be ${range}`);
}

/**
 * The domains by VPNKit's order: the domain name of the command line, else of the file, else `localdomain`; the search
 * list of the file, else of the DNS configuration.
 */
export function chooseDomains(sources: {
  readonly commandLine?: string | undefined;
  readonly file?: Partial<DhcpDomains> | undefined;
  readonly dnsSearch?: readonly string[];
}): DhcpDomains {
  const { commandLine, file, dnsSearch = [] } = sources;
  return {
    domainName: commandLine ?? file?.domainName ?? DEFAULT_DOMAIN,
    searchDomains: file?.searchDomains?.length ? file.searchDomains : dnsSearch,
  };
}
