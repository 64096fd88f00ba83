import { constants, type Http2Session } from 'node:http2';
import { LIMITS } from './limits';

/** More than the answer to a ping takes on any connection: 17 bytes (RFC 9113 section 6.7), and what TLS adds. */
const PING_ANSWER_BYTES = 64;

/**
 * Ends a session whose peer sends pings (or settings, which are answered too) without end. Pings that follow our own
 * data are not counted: clients measure the connection with them.
 */
export function guardSession(session: Http2Session): void {
  let idlePings = 0;
  let answers = 0;
  let lastMs = performance.now();
  let writtenBytes = session.socket.bytesWritten;
  const count = (): void => {
    const nowMs = performance.now();
    const nowBytes = session.socket.bytesWritten;
    if (nowBytes - writtenBytes > (answers + 1) * PING_ANSWER_BYTES) {
      idlePings = 0;
      answers = 0;
      writtenBytes = nowBytes;
    }
    answers++;
    idlePings = Math.max(0, idlePings - (nowMs - lastMs) / LIMITS.pingForgottenMs) + 1;
    lastMs = nowMs;
    if (idlePings <= LIMITS.idlePings || session.destroyed) return;
    session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('too_many_pings'));
    session.destroy();
  };
  session.on('ping', count);
  session.on('remoteSettings', count);
}
