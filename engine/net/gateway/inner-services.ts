import { Socket } from 'node:net';
import { sockets } from '../../../native/sockets';
import type { DatagramService, FlowEnds, StreamService } from '../flow';

/** What the gateway itself serves, by port. More may be added while it runs. */
export interface InnerServices {
  readonly streams: Map<number, StreamService>;
  readonly datagrams: Map<number, DatagramService>;
}

/** A connected descriptor whose other end is handed to `service` as a stream. @throws NativeError out of descriptors; what `service` throws. */
export function connectService(service: StreamService, ends: FlowEnds): number {
  const [ours, theirs] = sockets.pair();
  const stream = new Socket({ fd: theirs, readable: true, writable: true, allowHalfOpen: true });
  // Whoever serves it may listen to errors; nobody has to.
  stream.on('error', () => undefined);
  try {
    service(stream, ends);
  } catch (error) {
    stream.destroy();
    sockets.close(ours);
    throw error;
  }
  return ours;
}
