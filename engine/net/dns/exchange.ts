import { randomInt } from 'node:crypto';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';
import { type Answer, readAnswer } from './answer';
import { FrameReader, frame } from './frame-reader';
import { encodeRequest, type Query } from './query';
import type { NameServer } from './resolver-config';
import { FORMERR, MAX_MESSAGE_BYTES, NOTIMP } from './wire';

const REPEAT_MS = 1000;

/** What became of asking one server: an answer, or why there is none. */
export type Outcome = { readonly answer: Answer } | { readonly failure: string };

/** What is asked of a server. */
export interface Request {
  readonly query: Query;
  /** Ask again by TCP when the answer by UDP is cut. */
  readonly whole: boolean;
}

/**
 * Asks one server: by UDP once a second, each time from the same random port of its own, and by TCP if need be. `done`
 * is called once, within the server's time-out; the function that comes back ends it all without that.
 * Only what comes from the server's address with our random id and the question counts as an answer.
 */
export function askServer(server: NameServer, request: Request, done: (outcome: Outcome) => void): () => void {
  const exchange = new Exchange(server, request, done);
  exchange.start();
  return () => exchange.cancel();
}

class Exchange {
  readonly #server: NameServer;
  readonly #request: Request;
  readonly #done: (outcome: Outcome) => void;
  readonly #id = randomInt(0x10000);
  #withEdns: boolean;
  #datagrams: DatagramSocket | undefined;
  #stream: Socket | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #repeat: NodeJS.Timeout | undefined;
  /** The answer by UDP that was cut: better than none when TCP fails. */
  #cutAnswer: Answer | undefined;
  #isOver = false;

  constructor(server: NameServer, request: Request, done: (outcome: Outcome) => void) {
    this.#server = server;
    this.#request = request;
    this.#done = done;
    this.#withEdns = request.query.edns !== undefined;
  }

  start(): void {
    const { address, port, timeoutMs } = this.#server;
    this.#deadline = setTimeout(() => this.#fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    this.#datagrams = socket;
    socket.on('error', (cause) => this.#fail(cause.message));
    socket.on('message', (message) => this.#receive(message));
    // A connected socket takes messages of this server only, and hears when nobody listens there.
    socket.on('connect', () => this.#send());
    socket.connect(port, address);
  }

  cancel(): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#closeDatagrams();
    this.#stream?.destroy();
  }

  #finish(outcome: Outcome): void {
    if (this.#isOver) return;
    this.cancel();
    this.#done(outcome);
  }

  #fail(failure: string): void {
    this.#finish(this.#cutAnswer ? { answer: this.#cutAnswer } : { failure });
  }

  #send(): void {
    if (this.#isOver || !this.#datagrams) return;
    this.#datagrams.send(encodeRequest(this.#request.query, this.#id, this.#withEdns), (cause) => {
      if (cause) this.#fail(cause.message);
    });
    clearTimeout(this.#repeat);
    this.#repeat = setTimeout(() => this.#send(), REPEAT_MS);
  }

  #receive(message: Buffer): void {
    const read = readAnswer(message, this.#id, this.#request.query);
    if (!read || this.#isOver) return;
    const { answer, hasOpt } = read;
    if (this.#withEdns && !hasOpt && (answer.rcode === FORMERR || answer.rcode === NOTIMP)) {
      // RFC 6891 section 7: a server that does not know EDNS.
      this.#withEdns = false;
      this.#send();
    } else if (answer.truncated && this.#request.whole) {
      this.#cutAnswer = answer;
      this.#closeDatagrams();
      this.#askByStream();
    } else {
      this.#finish({ answer });
    }
  }

  #askByStream(): void {
    const { address: host, port } = this.#server;
    const reader = new FrameReader(MAX_MESSAGE_BYTES);
    const stream = connect({ host, port });
    this.#stream = stream;
    stream.on('connect', () => stream.write(frame(encodeRequest(this.#request.query, this.#id, this.#withEdns))));
    stream.on('data', (chunk) => {
      reader.push(chunk);
      const message = reader.next();
      if (!message) return;
      const read = readAnswer(message, this.#id, this.#request.query);
      if (read) this.#finish({ answer: read.answer });
      else this.#fail('not an answer to the question');
    });
    stream.on('error', (cause) => this.#fail(cause.message));
    stream.on('close', () => this.#fail('the connection was closed'));
  }

  #closeDatagrams(): void {
    clearTimeout(this.#repeat);
    this.#datagrams?.close();
    this.#datagrams = undefined;
  }
}
