import type { Reactor } from '../../net/reactor/reactor';
import type { BoardLock } from '../bus/board-lock';
import type { GuestMemory } from '../memory/guest-memory';
import type { PciFunctionWires } from '../pci/pci-function';

/** What the main thread offers to the halves of devices that work in it. */
export interface HostSurroundings {
  readonly reactor: Reactor;
  readonly memory: GuestMemory;
  readonly wires: PciFunctionWires;
  readonly lock: BoardLock;
  report(fault: Error): void;
}
