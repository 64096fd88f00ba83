import type { FrameReceiver, Link } from './link';

/** What guests have sent and received. A frame that the link cuts into segments counts as one. */
export interface Traffic {
  sentBytes: number;
  sentPackets: number;
  receivedBytes: number;
  receivedPackets: number;
}

/** Opens a link whose frames are counted. What the link drops because the guest doesn't read is not. */
export function countLink(traffic: Traffic, receive: FrameReceiver, open: (receive: FrameReceiver) => Link): Link {
  const link = open((buffer, start, end, verified) => {
    traffic.sentBytes += end - start;
    traffic.sentPackets++;
    receive(buffer, start, end, verified);
  });
  return {
    name: link.name,
    get full() {
      return link.full;
    },
    ...(link.cutsDatagrams === undefined ? {} : { cutsDatagrams: link.cutsDatagrams }),
    send: (frame) => {
      const sent = link.send(frame);
      if (sent) {
        traffic.receivedBytes += frame.headerBytes + frame.payloadBytes;
        traffic.receivedPackets++;
      }
      return sent;
    },
    onDrain: (listener) => link.onDrain(listener),
    onClose: (listener) => link.onClose(listener),
    close: () => link.close(),
  };
}
