import { parseUuid } from '../../net/addressing/uuid';
import type { BoardSpec, FirmwareSpec, SlotSpec } from '../board-spec';
import { atoi } from './c-number';
import { parseFirmware } from './firmware';
import { type OptionLetters, readOptions } from './getopt';
import { parseMemorySize } from './memory-size';
import { parseDevice, parseSlot, type SlotOption } from './pci-slot';
import { type PortOption, parsePort, SerialReader } from './serial-port';
import { usageText } from './usage';
import { EXIT_FAILED, HyperkitUsageError } from './usage-error';

/**
 * HyperKit's letters. `-Y` swallows the next word in HyperKit by mistake, so command lines exist that give it one; it is
 * swallowed here unless it is an option.
 */
const LETTERS: OptionLetters = { plain: 'behuvwxACHMPWY', withArgument: 'cfFglmsU', swallowing: 'Y' };

const DEFAULT_MEMORY = 256 * 1024 * 1024;
const PAGE = 4096;
/** VM_MAXCPU of HyperKit. */
const MAX_VCPUS = 64;

/** What a command line asks for. */
export type HyperkitCommand =
  | { readonly kind: 'version' }
  /** Print on stderr and end; also for a command line that HyperKit refuses. */
  | { readonly kind: 'print'; readonly text: string; readonly status: number }
  | { readonly kind: 'run'; readonly settings: HyperkitSettings };

/** A board to run, and what the process around it is to do. */
export interface HyperkitSettings {
  readonly board: BoardSpec;
  readonly pidFile: string | undefined;
  /** `-M`: print the MAC of the first virtio-net card and end. */
  readonly printMac: boolean;
}

/** Options as they were given, each checked by itself. */
interface Given {
  readonly flags: Set<string>;
  readonly slots: SlotOption[];
  readonly ports: Map<PortOption['port'], string | undefined>;
  vcpus: number;
  memoryBytes: number;
  firmware: FirmwareSpec | undefined;
  pidFile: string | undefined;
  debugPort: number;
  uuid: string | undefined;
}

/**
 * Reads HyperKit's command line, in HyperKit's order: options one after the other, then what the whole makes. Never throws.
 * @param program the name in messages.
 */
export function parseHyperkitCommandLine(words: readonly string[], program: string): HyperkitCommand {
  try {
    const given = readGiven(words, program);
    return 'kind' in given ? given : { kind: 'run', settings: toSettings(given) };
  } catch (error) {
    if (!(error instanceof HyperkitUsageError)) throw error;
    // errx(3) puts the name in front, and that is what HyperKit uses for status 64.
    const name = error.status === EXIT_FAILED ? '' : `${program}: `;
    return { kind: 'print', text: `${name}${error.message}\n`, status: error.status };
  }
}

function readGiven(words: readonly string[], program: string): Given | HyperkitCommand {
  const usage = (status: number, complaint = ''): HyperkitCommand => {
    return { kind: 'print', text: `${complaint}${usageText(program)}`, status };
  };
  const given: Given = {
    flags: new Set(),
    slots: [],
    ports: new Map(),
    vcpus: 1,
    memoryBytes: DEFAULT_MEMORY,
    firmware: undefined,
    pidFile: undefined,
    debugPort: 0,
    uuid: undefined,
  };
  const options = readOptions(words, LETTERS);
  for (;;) {
    let next: ReturnType<typeof options.next>;
    try {
      next = options.next();
    } catch (error) {
      if (!(error instanceof HyperkitUsageError)) throw error;
      return usage(EXIT_FAILED, `${program}: ${error.message}\n`);
    }
    if (next.done) break;
    const { letter, argument } = next.value;
    if (letter === 'h') return usage(0);
    if (letter === 'v') return { kind: 'version' };
    if (argument === undefined) given.flags.add(letter);
    else take(given, letter, argument);
  }
  return given.firmware === undefined ? usage(EXIT_FAILED) : given;
}

function take(given: Given, letter: string, argument: string): void {
  switch (letter) {
    case 'c':
      given.vcpus = atoi(argument);
      return;
    case 'f':
      given.firmware = parseFirmware(argument);
      return;
    case 'F':
      given.pidFile = argument;
      return;
    case 'g':
      given.debugPort = atoi(argument);
      return;
    case 'l': {
      const { port, config } = parsePort(argument);
      given.ports.set(port, config);
      return;
    }
    case 'm':
      given.memoryBytes = parseMemorySize(argument);
      return;
    case 's':
      takeSlot(given, parseSlot(argument));
      return;
    case 'U':
      given.uuid = argument;
  }
}

function takeSlot({ slots }: Given, option: SlotOption): void {
  const { bus, slot, func } = option;
  if (slots.some((other) => other.bus === bus && other.slot === slot && other.func === func)) {
    throw new HyperkitUsageError(`pci slot ${slot}:${func} already occupied!`);
  }
  slots.push(option);
}

/** @throws HyperkitUsageError */
function toSettings(given: Given): HyperkitSettings {
  const { flags, vcpus, memoryBytes, firmware, debugPort } = given;
  if (vcpus < 1) throw new HyperkitUsageError(`Invalid guest vCPUs (${vcpus})`);
  if (vcpus > MAX_VCPUS) throw new HyperkitUsageError(`${vcpus} vCPUs requested but only ${MAX_VCPUS} available`);
  if (memoryBytes % PAGE !== 0)
    throw new HyperkitUsageError(`Unable to setup memory: not whole pages of ${PAGE} bytes`);
  if (debugPort < 0 || debugPort > 65_535) throw new HyperkitUsageError(`cannot listen on TCP port ${debugPort}`);
  if (firmware === undefined) throw new HyperkitUsageError('no firmware');
  const serials = new SerialReader();
  const slots = toSlots(given, serials);
  // As in HyperKit the ports are part of the LPC bridge: without it there are none.
  const hasPorts = slots.some(({ device }) => device.kind === 'lpc');
  const port = (name: PortOption['port']) =>
    hasPorts ? serials.read(given.ports.get(name), `LPC device ${name.toUpperCase()}`) : undefined;
  return {
    board: {
      vcpus,
      memoryBytes,
      uuid: toUuid(given.uuid),
      firmware,
      slots,
      com1: port('com1'),
      com2: port('com2'),
      acpi: flags.has('A'),
      mpTable: !flags.has('Y'),
      rtc: flags.has('u') ? 'utc' : 'local',
      strictIo: flags.has('e'),
      x2apic: flags.has('x'),
      ignoreUnknownMsrs: flags.has('w'),
      virtioInterrupts: flags.has('W') ? 'msi' : 'msi-x',
      debugConsole: flags.has('b'),
      debugPort: debugPort === 0 ? undefined : debugPort,
    },
    pidFile: given.pidFile,
    printMac: flags.has('M'),
  };
}

/** Devices in the order of the bus, which is the order in which HyperKit makes them. */
function toSlots({ slots, flags }: Given, serials: SerialReader): readonly SlotSpec[] {
  const sorted = [...slots].sort((a, b) => a.bus - b.bus || a.slot - b.slot || a.func - b.func);
  const built = sorted.map((option): SlotSpec => {
    if (option.bus !== 0) {
      const reason = flags.has('A') ? 'DSDT, unsupported PCI bus' : 'unsupported PCI bus';
      throw new HyperkitUsageError(`${reason} ${option.bus}: all devices must be on bus 0`);
    }
    return { slot: option.slot, func: option.func, device: parseDevice(option, serials) };
  });
  if (built.filter(({ device }) => device.kind === 'lpc').length > 1) {
    throw new HyperkitUsageError('Only one LPC bridge is allowed.');
  }
  return built;
}

/** HyperKit stops at a failed assertion here. */
function toUuid(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const uuid = parseUuid(text);
  if (uuid === undefined) throw new HyperkitUsageError(`Invalid UUID "${text}": it must be 36 characters`);
  return uuid;
}
