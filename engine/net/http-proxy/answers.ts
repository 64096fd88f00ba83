import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { pairs, type RawHeaders } from './headers';
import type { Refusal } from './routing';

/** Answers a request with a refusal, in plain text, and ends the connection after it. */
export function sendRefusal(response: ServerResponse, { status, message }: Refusal): void {
  const body = `${message}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body);
}

/** The same where node:http has given the stream away (CONNECT and Upgrade). */
export function writeRefusal(stream: Duplex, { status, message }: Refusal): void {
  const body = Buffer.from(`${message}\n`);
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', `${body.length}`];
  writeHead(stream, status, STATUS_CODES[status] ?? '', [...headers, 'Connection', 'close']);
  stream.end(body, () => stream.destroy());
}

/** The head of an answer. The parts come from node:http's parser, so they hold no line breaks. */
export function writeHead(stream: Duplex, status: number, message: string, headers: RawHeaders): void {
  const lines = pairs(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.write(`HTTP/1.1 ${status} ${message}\r\n${lines.join('')}\r\n`, 'latin1');
}

/** Passes an answer's head on as it came. */
export function relayHead(stream: Duplex, answer: IncomingMessage, headers: RawHeaders = answer.rawHeaders): void {
  writeHead(stream, answer.statusCode ?? 502, answer.statusMessage ?? '', headers);
}
