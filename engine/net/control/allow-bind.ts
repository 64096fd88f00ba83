import { EngineError } from '../../errors';
import { canonicalAddress } from '../endpoint-text';

/** Addresses that stand for every address. */
const ANY = ['0.0.0.0', '::'];

/**
 * The rule behind `--allowed-bind-addresses`: which addresses of the host forwards may listen on. `0.0.0.0` or `::` in
 * the list allows all; without them these two are refused as well, because they listen everywhere.
 *
 * @throws EngineError HK_NET_CONFIG_INVALID when the list holds something that is no address.
 * @returns a check that throws EngineError HK_FORWARD_FAILED, saying which addresses are allowed.
 */
export function allowBind(addresses: readonly string[]): (address: string) => void {
  const allowed = addresses.map((text) => {
    const address = canonicalAddress(text.trim());
    if (address === undefined) {
      const what = `cannot allow binding to "${text}": it is not an IP address; list addresses, or 0.0.0.0 for all`;
      throw new EngineError('HK_NET_CONFIG_INVALID', what);
    }
    return address;
  });
  if (allowed.some((address) => ANY.includes(address))) return () => {};
  const choice =
    allowed.length === 0 ? 'no address is' : `only ${allowed.join(', ')} ${allowed.length > 1 ? 'are' : 'is'}`;
  return (address) => {
    if (allowed.includes(canonicalAddress(address) ?? '')) return;
    throw new EngineError(
      'HK_FORWARD_FAILED',
      `cannot bind ${address}: ${choice} allowed; add it to the allowed bind addresses`,
    );
  };
}
