/*
 * QMP (QEMU docs/interop/qmp-spec): JSON objects, one per line, in both directions.
 *
 *   {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, …}, …}}   greeting, first
 *   {"execute": NAME, "arguments": {…}, "id": ID}                                 command
 *   {"return": VALUE, "id": ID} | {"error": {"class": …, "desc": …}, "id": ID}    its answer
 *   {"event": NAME, "data": {…}, "timestamp": {…}}                                at any time
 */

export type QmpMessage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'return'; readonly id: number | undefined; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number | undefined; readonly description: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>> };

/** What the other side sent is not QMP. */
export class QmpProtocolError extends Error {
  override readonly name = 'QmpProtocolError';
}

/** Answers to the few commands in use are short; whoever sends more in one line is not QEMU. */
const MAX_LINE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

export function encodeCommand(name: string, id: number, commandArguments?: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ execute: name, ...(commandArguments && { arguments: commandArguments }), id })}\n`;
}

/** Bytes in, messages out, however the bytes are cut. */
export class QmpDecoder {
  #parts: Uint8Array[] = [];
  #length = 0;

  /** @throws QmpProtocolError for anything that is not QMP; the stream is of no use after that. */
  push(chunk: Uint8Array): QmpMessage[] {
    const messages: QmpMessage[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      this.#keep(rest.subarray(0, end));
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#length = 0;
      if (line !== '') messages.push(parseMessage(line));
      rest = rest.subarray(end + 1);
    }
    this.#keep(rest);
    return messages;
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > MAX_LINE_BYTES) throw new QmpProtocolError(`a line of more than ${MAX_LINE_BYTES} bytes`);
    if (part.length > 0) this.#parts.push(Uint8Array.from(part));
  }
}

function parseMessage(line: string): QmpMessage {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (cause) {
    throw new QmpProtocolError(`not JSON: ${JSON.stringify(line.slice(0, 80))}`, { cause });
  }
  if (isRecord(message)) {
    const id = typeof message.id === 'number' ? message.id : undefined;
    if (isRecord(message.QMP)) return { kind: 'greeting' };
    if (typeof message.event === 'string') {
      return { kind: 'event', name: message.event, data: isRecord(message.data) ? message.data : {} };
    }
    if (Object.hasOwn(message, 'return')) return { kind: 'return', id, value: message.return };
    if (isRecord(message.error) && typeof message.error.desc === 'string') {
      return { kind: 'error', id, description: message.error.desc };
    }
  }
  throw new QmpProtocolError(`neither greeting, answer nor event: ${JSON.stringify(line.slice(0, 80))}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
