import { createHash } from 'node:crypto';
import { formatMac } from '../../../../../../engine/net/addressing/mac';
import { defaultMac } from '../../../../../../engine/vmm/virtio/net/default-mac';

test("is HyperKit's for the place and the machine", () => {
  const tail = createHash('md5').update('2-0-vm').digest('hex').slice(0, 6).match(/../g)?.join(':');
  expect(formatMac(defaultMac(2, 0, 'vm'))).toBe(`00:a0:98:${tail}`);
  expect(new Set([defaultMac(2, 0, 'vm'), defaultMac(2, 1, 'vm'), defaultMac(2, 0, 'other')].map(formatMac)).size).toBe(
    3,
  );
});
