/** Frames as they are on the wire, addresses all the same. */
const ethernet = (type: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.alloc(12, 2), Buffer.from([type >> 8, type & 255]), payload]);

export const ipv4 = (
  protocol: number,
  payload: Uint8Array,
  options: { fragment?: number; words?: number } = {},
): Buffer => {
  const header = Buffer.alloc((options.words ?? 5) * 4);
  header[0] = 0x40 | (options.words ?? 5);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(options.fragment ?? 0, 6);
  header[8] = 64;
  header[9] = protocol;
  return ethernet(0x0800, Buffer.concat([header, payload]));
};

export const ipv6 = (next: number, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length, 4);
  header[6] = next;
  header[7] = 64;
  return ethernet(0x86dd, Buffer.concat([header, payload]));
};

export const udp = (source: number, destination: number, bytes = 4): Buffer => {
  const datagram = Buffer.alloc(8 + bytes);
  datagram.writeUInt16BE(source, 0);
  datagram.writeUInt16BE(destination, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  return datagram;
};

export const tcp = (source: number, destination: number, bytes = 4): Buffer => {
  const segment = Buffer.alloc(20 + bytes);
  segment.writeUInt16BE(source, 0);
  segment.writeUInt16BE(destination, 2);
  segment[12] = 5 << 4;
  return segment;
};

export const arp = (): Buffer => ethernet(0x0806, Buffer.alloc(28));
export const other = (): Buffer => ethernet(0x88cc, Buffer.alloc(10));
export { ethernet };
