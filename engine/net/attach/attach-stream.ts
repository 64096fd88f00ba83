import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sockets } from '../../../native/sockets';
import { joinStreams } from '../join-streams';
import type { Link } from '../link/link';
import { createStreamLink, VPNKIT_FRAMING } from '../link/stream-link';
import { type AttachmentPoint, attachByMac } from './attach-by-mac';

/** Attaches a guest whose frames (VPNKIT_FRAMING, no handshake) come on a stream of Node: gvproxy's `/connect`. */
export function attachStream(gateway: AttachmentPoint, stream: Duplex): Link {
  const { reactor, plan } = gateway.network;
  const [ours, theirs] = sockets.pair();
  const options = { name: 'a stream', framing: VPNKIT_FRAMING, mtu: plan.mtu };
  const link = attachByMac(gateway, (receive) => createStreamLink(reactor, ours, options, receive));
  joinStreams(stream, new Socket({ fd: theirs, readable: true, writable: true, allowHalfOpen: false }));
  return link;
}
