/** The state in which a guest's first CPU begins. */
export type EntryState =
  /** As after power-on: real mode, the first instruction at 0xFFFFFFF0. KVM's own initial state. */
  | { readonly mode: 'reset' }
  /** Flat segments from the descriptor table of gdt.ts; interrupts off. */
  | {
      /** Without paging, or with 4 GiB mapped onto themselves (see page-tables.ts). */
      readonly mode: 'protected' | 'long';
      readonly rip: number;
      /** Those that are not named are 0. */
      readonly registers: Partial<Readonly<Record<'rax' | 'rbx' | 'rsi' | 'rsp', number>>>;
      readonly gdtAddress: number;
    };

/** What a loader leaves: memory is filled, and the first CPU begins here. */
export interface LoadedGuest {
  readonly entry: EntryState;
  /** Read-only memory beside the RAM. */
  readonly rom: { readonly guestAddress: number; readonly bytes: Uint8Array } | undefined;
}
