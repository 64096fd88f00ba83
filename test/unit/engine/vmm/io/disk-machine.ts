import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BoardSpec } from '../../../../../engine/spec/board-spec';
import { allocateTraceRing } from '../../../../../engine/trace/trace-ring';
import { planBoard } from '../../../../../engine/vmm/board/plan-board';
import { type BlockImage, closeBlockImage, openBlockImage } from '../../../../../engine/vmm/io/block-image';
import { IoThread } from '../../../../../engine/vmm/io/io-thread';
import { BoardWords } from '../../../../../engine/vmm/vcpu/board-words';
import { blkIdentity } from '../../../../../engine/vmm/virtio/blk/blk-identity';
import { until } from '../../../../support/until';
import { FEATURE, header } from '../virtio/blk/blk-driver';
import type { Completion, DriverRing } from '../virtio/driver-ring';
import { TestMachine } from '../virtio/test-machine';

/** A descriptor that is none: what would interrupt a guest goes nowhere. */
const NO_VM = -1;

const EMPTY_BOARD: BoardSpec = {
  vcpus: 1,
  memoryBytes: 0,
  uuid: undefined,
  firmware: { kind: 'bootrom', image: '' },
  slots: [],
  com1: undefined,
  com2: undefined,
  acpi: false,
  mpTable: false,
  rtc: 'utc',
  strictIo: false,
  x2apic: false,
  ignoreUnknownMsrs: false,
  virtioInterrupts: 'msi-x',
  debugConsole: false,
  debugPort: undefined,
};

/** A disk that works in a real I/O thread, for a driver in this one; there is no KVM and no vCPU. */
export class DiskMachine {
  readonly machine: TestMachine;
  readonly reports: string[] = [];
  readonly crashes: string[] = [];
  readonly trace = allocateTraceRing();
  readonly #thread: IoThread;
  #ring: DriverRing;

  constructor(readonly image: BlockImage) {
    this.machine = new TestMachine(blkIdentity(image, 1));
    const { channel, pci, pciState, memory, lock } = this.machine;
    this.#thread = new IoThread({
      report: (fault) => void this.reports.push(fault),
      crashed: (why) => void this.crashes.push(why),
    });
    const slot = { pci: pci.plan, state: pciState, device: { kind: 'virtio', channel } } as const;
    const plan = planBoard(EMPTY_BOARD, {
      vm: NO_VM,
      noticeEventfd: NO_VM,
      words: new SharedArrayBuffer(BoardWords.stateBytes(1)),
      memory: memory.regions,
      slots: [slot],
    });
    const device = { kind: 'virtio-blk', image, queues: 1, serial: 'HK' } as const;
    this.#thread.assign({ ...plan, lock: lock.shared }, [{ slot: 0, device }], () => this.trace);
    this.#ring = this.start();
  }

  /** Starts the device, as a driver does. */
  start(): DriverRing {
    [this.#ring] = this.machine.start(FEATURE.flush) as [DriverRing];
    return this.#ring;
  }

  get ring(): DriverRing {
    return this.#ring;
  }

  /** One request, answered by the thread. */
  async ask(type: number, sector: number, out: readonly Uint8Array[], into: readonly number[]): Promise<Completion> {
    this.ring.add([header(type, sector), ...out], [...into, 1]);
    this.machine.kick(0);
    let answer: Completion | undefined;
    await until('the disk answers', () => {
      [answer] = this.ring.collect();
      return answer !== undefined;
    });
    return answer as Completion;
  }

  async close(): Promise<void> {
    await this.#thread.close();
    this.machine.close();
    closeBlockImage(this.image);
  }
}

export interface DiskFile {
  readonly folder: string;
  readonly path: string;
  remove(): void;
}

export function newDiskFile(sizeBytes: number): DiskFile {
  const folder = mkdtempSync(path.join(tmpdir(), 'hk-disk-'));
  const file = path.join(folder, 'disk.raw');
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  return { folder, path: file, remove: () => rmSync(folder, { recursive: true }) };
}

export function openDisk(file: string): BlockImage {
  return openBlockImage({ path: file, format: 'raw', readOnly: false, sync: false, sectors: undefined });
}
