/** The names of a search list (RFC 3397), read as a resolver reads them: an independent look at what we write. */
export function readDomains(data: Uint8Array): readonly string[] {
  const names: string[] = [];
  for (let offset = 0; offset < data.length; ) {
    const labels: string[] = [];
    let position = offset;
    let end: number | undefined;
    for (let hops = 0; data[position] !== 0; ) {
      const length = data[position];
      if (length === undefined || hops > 20) throw new Error('a name that does not end');
      if (length >= 0xc0) {
        const target = (length & 0x3f) * 256 + data[position + 1]!;
        if (target >= position) throw new Error('a pointer forward');
        end ??= position + 2;
        position = target;
        hops++;
      } else {
        labels.push(Buffer.from(data.subarray(position + 1, position + 1 + length)).toString('latin1'));
        position += 1 + length;
      }
    }
    offset = end ?? position + 1;
    names.push(labels.join('.'));
  }
  return names;
}
