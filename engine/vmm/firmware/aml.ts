/**
 * A writer of AML, the byte code of ACPI's DSDT (ACPI 6.4, chapter 20). Each function encodes one term; terms nest by
 * passing the encoded inner ones. Functions have the names of ASL's keywords.
 */
export type Aml = Uint8Array;

const ZERO_OP = 0x00;
const ONE_OP = 0x01;
const NAME_OP = 0x08;
const BYTE_PREFIX = 0x0a;
const WORD_PREFIX = 0x0b;
const DWORD_PREFIX = 0x0c;
const STRING_PREFIX = 0x0d;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const METHOD_OP = 0x14;
const DUAL_NAME_PREFIX = 0x2e;
const MULTI_NAME_PREFIX = 0x2f;
const EXTENDED = 0x5b;
const OPERATION_REGION_OP = 0x80;
const FIELD_OP = 0x81;
const DEVICE_OP = 0x82;
const ROOT = 0x5c;
const LOCAL0_OP = 0x60;
const ARG0_OP = 0x68;
const STORE_OP = 0x70;
const SUBTRACT_OP = 0x74;
const SHIFT_LEFT_OP = 0x79;
const AND_OP = 0x7b;
const FIND_SET_RIGHT_BIT_OP = 0x82;
const CREATE_WORD_FIELD_OP = 0x8b;
const LNOT_OP = 0x92;
const IF_OP = 0xa0;
const RETURN_OP = 0xa4;

/** Stands for "the result goes nowhere else". */
const NO_TARGET = Uint8Array.of(0);

/** A path as in ASL: segments of up to four characters with dots between, from the root if it starts with a backslash. */
export function path(text: string): Aml {
  const absolute = text.startsWith('\\');
  const segments = (absolute ? text.slice(1) : text).split('.').filter((segment) => segment !== '');
  const prefix = absolute ? [ROOT] : [];
  if (segments.length === 0) return Uint8Array.from([...prefix, 0]);
  if (segments.length === 2) prefix.push(DUAL_NAME_PREFIX);
  else if (segments.length > 2) prefix.push(MULTI_NAME_PREFIX, segments.length);
  return Uint8Array.from([...prefix, ...segments.flatMap(segmentBytes)]);
}

/** Unsigned, 32 bits at most. */
export function integer(value: number): Aml {
  if (value === 0) return Uint8Array.of(ZERO_OP);
  if (value === 1) return Uint8Array.of(ONE_OP);
  if (value <= 0xff) return Uint8Array.of(BYTE_PREFIX, value);
  if (value <= 0xffff) return Uint8Array.of(WORD_PREFIX, value & 0xff, value >> 8);
  return Uint8Array.of(DWORD_PREFIX, ...littleEndian(value, 4));
}

export function text(value: string): Aml {
  return Uint8Array.from([STRING_PREFIX, ...Buffer.from(value, 'ascii'), 0]);
}

/** An identifier of a device like PNP0A03: three letters in 15 bits and four hexadecimal digits (ACPI 6.4, 19.6.38). */
export function eisaId(id: string): Aml {
  const letters = [...id.slice(0, 3)].reduce((all, letter) => (all << 5) | (letter.charCodeAt(0) - 0x40), 0);
  const number = Number.parseInt(id.slice(3), 16);
  return Uint8Array.of(DWORD_PREFIX, letters >> 8, letters & 0xff, number >> 8, number & 0xff);
}

export function name(at: string, value: Aml): Aml {
  return join([NAME_OP], path(at), value);
}

export function scope(at: string, ...terms: readonly Aml[]): Aml {
  return withLength([SCOPE_OP], path(at), ...terms);
}

export function device(at: string, ...terms: readonly Aml[]): Aml {
  return withLength([EXTENDED, DEVICE_OP], path(at), ...terms);
}

/** A method that makes names of its own, fields of buffers included, must be serialized. */
export function method(at: string, args: number, serialized: boolean, ...terms: readonly Aml[]): Aml {
  return withLength([METHOD_OP], path(at), [args | (serialized ? 8 : 0)], ...terms);
}

export function packageOf(...elements: readonly Aml[]): Aml {
  return withLength([PACKAGE_OP], [elements.length], ...elements);
}

export function buffer(bytes: Uint8Array): Aml {
  return withLength([BUFFER_OP], integer(bytes.length), bytes);
}

/** Bytes of a PCI device's configuration space, to which `fields` give names, one byte each. */
export function pciConfigBytes(region: string, offset: number, fields: readonly string[]): Aml {
  const PCI_CONFIG_SPACE = 2;
  const BYTE_ACCESS = 1;
  return join(
    [EXTENDED, OPERATION_REGION_OP],
    path(region),
    [PCI_CONFIG_SPACE],
    integer(offset),
    integer(fields.length),
    withLength(
      [EXTENDED, FIELD_OP],
      path(region),
      [BYTE_ACCESS],
      ...fields.map((field) => Uint8Array.from([...segmentBytes(field), 8])),
    ),
  );
}

export function argument(index: number): Aml {
  return Uint8Array.of(ARG0_OP + index);
}

export function local(index: number): Aml {
  return Uint8Array.of(LOCAL0_OP + index);
}

export function store(value: Aml, target: Aml): Aml {
  return join([STORE_OP], value, target);
}

export function subtract(from: Aml, value: Aml, target: Aml): Aml {
  return join([SUBTRACT_OP], from, value, target);
}

export function shiftLeft(value: Aml, bits: Aml, target: Aml): Aml {
  return join([SHIFT_LEFT_OP], value, bits, target);
}

export function and(one: Aml, other: Aml): Aml {
  return join([AND_OP], one, other, NO_TARGET);
}

export function findSetRightBit(value: Aml, target: Aml): Aml {
  return join([FIND_SET_RIGHT_BIT_OP], value, target);
}

export function createWordField(source: Aml, byteIndex: number, field: string): Aml {
  return join([CREATE_WORD_FIELD_OP], source, integer(byteIndex), path(field));
}

export function not(value: Aml): Aml {
  return join([LNOT_OP], value);
}

export function when(condition: Aml, ...terms: readonly Aml[]): Aml {
  return withLength([IF_OP], condition, ...terms);
}

export function giveBack(value: Aml): Aml {
  return join([RETURN_OP], value);
}

export function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff);
}

/** Bytes one after the other. */
export function join(...parts: ReadonlyArray<Aml | readonly number[]>): Aml {
  return Buffer.concat(parts.map((part) => Uint8Array.from(part)));
}

function segmentBytes(segment: string): number[] {
  return [...Buffer.from(segment.padEnd(4, '_'), 'ascii')];
}

/**
 * PkgLength (ACPI 6.4, 20.2.4) counts itself: up to 63 in one byte; else bits 6-7 tell how many bytes follow, bits 0-3
 * are the lowest of the length.
 */
function withLength(opcode: readonly number[], ...parts: ReadonlyArray<Aml | readonly number[]>): Aml {
  const body = join(...parts);
  if (body.length + 1 <= 0x3f) return join(opcode, [body.length + 1], body);
  let extra = 1;
  while (body.length + 1 + extra >= 2 ** (4 + 8 * extra)) extra++;
  const length = body.length + 1 + extra;
  return join(opcode, [(extra << 6) | (length & 0x0f)], littleEndian(length >> 4, extra), body);
}
