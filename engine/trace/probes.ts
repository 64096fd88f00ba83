/**
 * HyperKit's probe points (its DTrace provider `hyperkit`), with the names of what each tells, in order. A probe's number
 * is its place here. Each is also a channel of node:diagnostics_channel, `hyperkit:NAME`, whose messages hold these
 * fields and `atMs`, milliseconds since 1970.
 */
export const PROBES = [
  { name: 'vmx-exit', fields: ['vcpu', 'reason'] },
  { name: 'vmx-ept-fault', fields: ['vcpu', 'address', 'write'] },
  { name: 'vmx-inject-virq', fields: ['vcpu', 'vector'] },
  { name: 'vmx-write-msr', fields: ['vcpu', 'msr', 'value'] },
  { name: 'vmx-read-msr', fields: ['vcpu', 'msr', 'value'] },
  { name: 'block-preadv', fields: ['offset', 'bytes'] },
  { name: 'block-preadv-done', fields: ['offset', 'result'] },
  { name: 'block-pwritev', fields: ['offset', 'bytes'] },
  { name: 'block-pwritev-done', fields: ['offset', 'result'] },
  { name: 'block-delete', fields: ['offset', 'bytes'] },
  { name: 'block-delete-done', fields: ['offset', 'result'] },
] as const;

export type ProbeName = (typeof PROBES)[number]['name'];

/** Numbers by name, for {@link TraceWriter}. */
export const PROBE: Readonly<Record<ProbeName, number>> = Object.fromEntries(
  PROBES.map(({ name }, index) => [name, index]),
) as Record<ProbeName, number>;
