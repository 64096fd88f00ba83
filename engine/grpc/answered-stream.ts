import { constants, type ServerHttp2Stream } from 'node:http2';

/**
 * Closes a call's stream once it is answered though its client still sends, e.g. a message that is too long (RFC 9113
 * section 8.1). Otherwise it would count against the connection's limit, which the client takes for free again: the next
 * call would be one too many, and cost the whole connection.
 */
export function closeWhenAnswered(stream: ServerHttp2Stream): void {
  const close = (): void => {
    const answered = stream.sentTrailers !== undefined || stream.sentHeaders?.['grpc-status'] !== undefined;
    if (answered && !stream.closed && !stream.destroyed && !stream.readableEnded)
      stream.close(constants.NGHTTP2_NO_ERROR);
  };
  // By then the answer has been handed to the session, whichever form it has.
  stream.once('wantTrailers', () => setImmediate(close));
  stream.once('finish', () => setImmediate(close));
}
