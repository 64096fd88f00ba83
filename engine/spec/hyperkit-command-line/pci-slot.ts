import type { DeviceSpec, SerialSpec } from '../board-spec';
import { parseBlockOptions } from './block-options';
import { splitOnce } from './comma-list';
import { parseGatewayNic, parseTapNic, parseVpnkitNic } from './network-options';
import type { SerialReader } from './serial-port';
import { parseNinePOptions, parseSocketOptions } from './sharing-options';
import { HyperkitUsageError } from './usage-error';

/** `-s`'s argument, its device not looked at yet. */
export interface SlotOption {
  readonly bus: number;
  readonly slot: number;
  readonly func: number;
  readonly emulation: string;
  readonly config: string | undefined;
}

interface Place {
  readonly slot: number;
  readonly func: number;
  readonly serials: SerialReader;
}

/** Every device by HyperKit's name. Readers throw HyperkitUsageError. */
const EMULATIONS: Readonly<Record<string, (config: string | undefined, place: Place) => DeviceSpec>> = {
  hostbridge: () => ({ kind: 'hostbridge', vendor: 'hyperkit' }),
  amd_hostbridge: () => ({ kind: 'hostbridge', vendor: 'amd' }),
  lpc: () => ({ kind: 'lpc' }),
  dummy: () => ({ kind: 'dummy' }),
  uart: (config, place) => ({ kind: 'uart', serial: readSerial(config, place, 'PCI uart') }),
  'virtio-console': (config, place) => ({
    kind: 'virtio-console',
    serial: readSerial(config, place, 'virtio console'),
  }),
  'virtio-blk': (config) => ({ kind: 'virtio-blk', block: parseBlockOptions(config, false) }),
  'ahci-hd': (config) => ({ kind: 'ahci-hd', block: parseBlockOptions(config, false) }),
  'ahci-cd': (config) => ({ kind: 'ahci-cd', block: parseBlockOptions(config, true) }),
  'virtio-net': (config) => ({ kind: 'virtio-net', network: parseGatewayNic(config) }),
  'virtio-tap': (config) => ({ kind: 'virtio-net', network: parseTapNic(config) }),
  'virtio-vpnkit': (config) => ({ kind: 'virtio-net', network: parseVpnkitNic(config) }),
  'virtio-rnd': () => ({ kind: 'virtio-rnd' }),
  'virtio-balloon': () => ({ kind: 'virtio-balloon' }),
  'virtio-9p': parseNinePOptions,
  'virtio-sock': parseSocketOptions,
};

function readSerial(config: string | undefined, { slot, func, serials }: Place, what: string): SerialSpec {
  const unconnected = { terminal: undefined, ringPath: undefined, systemLog: false };
  return serials.read(config, `${what} at ${slot}:${func}`) ?? unconnected;
}

/**
 * `[BUS:]SLOT[:FUNC],EMULATION[,CONFIG]`; CONFIG is the device's business. HyperKit reads the numbers with sscanf and
 * passes over what follows them (`3x,…` is slot 3); here they must be numbers.
 * @throws HyperkitUsageError
 */
export function parseSlot(text: string): SlotOption {
  const [place, device] = splitOnce(text, ',');
  const numbers = /^\d{1,3}(:\d{1,3}){0,2}$/.test(place) ? place.split(':').map(Number) : [];
  const [bus = 0, slot = -1, func = 0] = numbers.length === 3 ? numbers : [0, ...numbers];
  if (device === undefined || bus > 255 || slot < 0 || slot > 31 || func > 7) {
    throw new HyperkitUsageError(`Invalid PCI slot info field "${text}"`);
  }
  const [emulation, config] = splitOnce(device, ',');
  if (!Object.hasOwn(EMULATIONS, emulation)) {
    throw new HyperkitUsageError(`pci slot ${slot}:${func}: unknown device "${emulation}"`);
  }
  return { bus, slot, func, emulation, config };
}

/** The device of a slot. @throws HyperkitUsageError for a configuration that it can't have. */
export function parseDevice({ slot, func, emulation, config }: SlotOption, serials: SerialReader): DeviceSpec {
  const read = EMULATIONS[emulation];
  if (read === undefined) throw new HyperkitUsageError(`pci slot ${slot}:${func}: unknown device "${emulation}"`);
  return read(config, { slot, func, serials });
}
