const BROADCAST = 'ffffffffffff';

/** Who has `ip`? RFC 826. */
export function arpRequest(from: string, fromIp: string, ip: string): Buffer {
  return Buffer.from(
    `${BROADCAST}${from}0806${'0001080006040001'}${from}${hexOf(fromIp)}${'00'.repeat(6)}${hexOf(ip)}`,
    'hex',
  );
}

/** The MAC that an ARP reply tells for `ip`; undefined for other frames. */
export function arpAnswer(frame: Buffer, ip: string): string | undefined {
  const isReply = frame.toString('hex', 12, 22) === `0806${'0001080006040002'}`;
  return isReply && frame.toString('hex', 28, 32) === hexOf(ip) ? frame.toString('hex', 22, 28) : undefined;
}

function hexOf(ip: string): string {
  return Buffer.from(ip.split('.').map(Number)).toString('hex');
}
