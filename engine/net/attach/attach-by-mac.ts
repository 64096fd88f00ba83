import type { AddressBook } from '../addressing/address-book';
import type { Admission } from '../addressing/admission';
import { macFromNumber } from '../addressing/mac';
import type { FrameReceiver, Link } from '../link/link';
import type { Network } from '../network';
import { readMac } from '../wire/ethernet';

/** A network and who has which address in it. */
export interface AttachmentPoint {
  readonly network: Network;
  readonly book: AddressBook;
}

/**
 * Attaches a link whose guest says nothing of itself. The source of its first frame is its card: the card's address is
 * the guest's for as long as the link lasts, and stays reserved afterwards.
 */
export function attachByMac({ network, book }: AttachmentPoint, open: (receive: FrameReceiver) => Link): Link {
  let admission: Admission | undefined;
  let isKnown = false;
  const link = network.attach((receive) =>
    open((buffer, start, end, verified) => {
      if (!isKnown) {
        isKnown = true;
        const answer = book.attach(macFromNumber(readMac(buffer.view, start + 6)));
        // Who gets no address may still use one that DHCP does not know of.
        if (answer.admitted) admission = answer;
      }
      receive(buffer, start, end, verified);
    }),
  );
  link.onClose(() => admission?.leave());
  return link;
}
