/** A capture file taken apart, by the words of pcap-savefile(5) and with its limits held. */
export interface Capture {
  readonly snapLength: number;
  readonly records: readonly { readonly timeMs: number; readonly bytes: Buffer; readonly original: number }[];
}

export function readPcap(input: Uint8Array): Capture {
  const file = Buffer.from(input);
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('no capture with microseconds');
  if (file.readUInt16LE(4) !== 2 || file.readUInt16LE(6) !== 4) throw new Error('another version');
  if (file.readUInt32LE(8) !== 0 || file.readUInt32LE(12) !== 0) throw new Error('a time zone');
  if (file.readUInt32LE(20) !== 1) throw new Error('not Ethernet');
  const snapLength = file.readUInt32LE(16);
  const records = [];
  for (let at = 24; at < file.length; ) {
    const micros = file.readUInt32LE(at + 4);
    const kept = file.readUInt32LE(at + 8);
    const original = file.readUInt32LE(at + 12);
    if (micros >= 1_000_000 || kept > snapLength || kept > original) throw new Error('an impossible record');
    if (at + 16 + kept > file.length) throw new Error('a record that is cut short');
    const timeMs = file.readUInt32LE(at) * 1000 + micros / 1000;
    records.push({ timeMs, bytes: file.subarray(at + 16, at + 16 + kept), original });
    at += 16 + kept;
  }
  return { snapLength, records };
}
