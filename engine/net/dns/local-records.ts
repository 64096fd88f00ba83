import { isIPv4 } from 'node:net';
import { encode, type StringAnswer } from 'dns-packet';
import { HEADER_BYTES } from './wire';

/** A pointer to the question's name, which every record of ours has as its own (RFC 1035 section 4.1.4). */
const NAME_OF_QUESTION = Buffer.from([0xc0, HEADER_BYTES]);

/** An A or AAAA record. Its TTL is 0 like that of all names of ours: they may change at any time, and asking is cheap. */
export function addressRecord(address: string): Buffer {
  return encodeRecord(isIPv4(address) ? 'A' : 'AAAA', address);
}

/** A PTR record. */
export function pointerRecord(name: string): Buffer {
  return encodeRecord('PTR', name);
}

function encodeRecord(type: StringAnswer['type'], data: string): Buffer {
  // The root as the name is one byte, which the pointer takes the place of.
  const message = encode({ answers: [{ type, name: '.', ttl: 0, data }] });
  return Buffer.concat([NAME_OF_QUESTION, message.subarray(HEADER_BYTES + 1)]);
}
