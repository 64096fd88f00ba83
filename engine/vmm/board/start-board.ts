import { randomUUID } from 'node:crypto';
import { eventfds } from '../../../native/eventfd';
import { EngineError } from '../../errors';
import { Reactor } from '../../net/reactor/reactor';
import type { BoardSpec } from '../../spec/board-spec';
import { loadGuest } from '../boot/load-guest';
import { RSDP_ADDRESS } from '../firmware/acpi-tables';
import { buildFirmwareTables } from '../firmware/firmware-tables';
import { IoThread } from '../io/io-thread';
import { createKvmVm, toKvmError } from '../kvm/kvm-vm';
import { allocateMemory, discardMemory } from '../memory/allocate-memory';
import { GuestMemory } from '../memory/guest-memory';
import type { PciFunction } from '../pci/pci-function';
import { WISH } from '../vcpu/board-words';
import { createVcpu, readVcpuModel } from '../vcpu/create-vcpu';
import { ExitCounters } from '../vcpu/exit-counters';
import { VcpuThreads } from '../vcpu/vcpu-threads';
import { VcpuWorkers } from '../vcpu/vcpu-workers';
import { assembleBoard } from './assemble-board';
import type { BoardAttachments, RunningBoard } from './board-attachments';
import type { PciSlotPlan } from './board-plan';
import { Machine } from './machine';
import { planBoard } from './plan-board';
import { plugDevices } from './plug-devices';
import { SerialLines } from './serial-lines';

/** HyperKit's limit. Each is a thread of this process with a JavaScript engine of its own. */
const MAX_VCPUS = 64;

/** Undoes, in reverse order, what a start that fails has done so far. */
class Undo {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}

/**
 * Builds a virtual machine on /dev/kvm and runs it. Resolves when its first CPU runs.
 * @throws EngineError HK_KVM_FAILED, HK_BOOT_FAILED, HK_SPEC_INVALID, HK_DEVICE_FAILED; nothing is left behind then.
 */
export async function startBoard(spec: BoardSpec, attachments: BoardAttachments): Promise<RunningBoard> {
  const undo = new Undo();
  try {
    return await build(spec, attachments, undo);
  } catch (error) {
    await undo.run();
    throw toKvmError(error);
  }
}

async function build(spec: BoardSpec, attachments: BoardAttachments, undo: Undo): Promise<RunningBoard> {
  const { log } = attachments;
  const nics = [...attachments.nics];
  undo.add(async () => {
    for (const nic of nics) await nic.close();
  });
  const workers = attachments.workers ?? new VcpuWorkers(checkVcpus(spec.vcpus));
  undo.add(async () => {
    workers.stop();
    await workers.ended;
  });
  const noticeEventfd = eventfds.create();
  undo.add(() => eventfds.close(noticeEventfd));
  let trouble: string | undefined;
  const io = startIoThread(spec, log, (why) => {
    trouble = why;
    workers.words.makeWish(WISH.failed);
    eventfds.signal(noticeEventfd);
  });
  undo.add(async () => await io?.close());
  const reactor = attachments.reactor ?? new Reactor();
  const ownsReactor = attachments.reactor === undefined;
  if (ownsReactor) undo.add(() => reactor.close());

  const vm = createKvmVm(spec.vcpus);
  undo.add(() => vm.close());
  if (spec.ignoreUnknownMsrs) vm.passUnknownMsrs();
  const regions = allocateMemory(spec.memoryBytes);
  undo.add(() => discardMemory(regions));
  for (const region of regions) {
    vm.addRam(region.guestAddress, region.hostAddress, region.part?.length ?? region.bytes.byteLength);
  }
  const memory = new GuestMemory(regions);
  const devices = await plugDevices(spec, nics, reactor);
  undo.add(async () => {
    for (const device of devices) await device.close();
  });
  const { entry, rom } = loadGuest(spec.firmware, memory, spec.acpi ? RSDP_ADDRESS : undefined);
  if (rom) vm.addRom(rom.guestAddress, rom.bytes);

  const slots = devices.map(({ slot }) => slot);
  writeFirmwareTables(spec, memory, slots);
  const plan = planBoard(spec, { vm: vm.fd, noticeEventfd, words: workers.words.shared, memory: regions, slots });
  const board = assembleBoard(plan);
  board.powerOn();
  const model = readVcpuModel(vm, spec.vcpus, spec.x2apic);
  const vcpus = Array.from({ length: spec.vcpus }, (_, index) => {
    const vcpu = createVcpu(vm, index, model, entry);
    undo.add(() => vcpu.close());
    return vcpu;
  });
  const threads = new VcpuThreads(workers);
  undo.add(() => threads.release());
  const wires = { messages: board.interrupts, lines: board.intx };
  const report = (fault: Error): void => log(`a device was stopped: ${fault.message}`);
  const surroundings = { reactor, memory, wires, lock: board.lock, report };
  for (const [slot, device] of devices.entries()) device.host(board.functions[slot] as PciFunction, surroundings);
  const works = devices.flatMap(({ io: device }, slot) => (device ? [{ slot, device }] : []));
  io?.assign(plan, works, attachments.trace);
  // Before the files of its devices are closed.
  undo.add(async () => await io?.close());
  threads.assign(vcpus, plan, attachments.trace);
  const lines = new SerialLines(board, devices, attachments);
  const counters = new ExitCounters(plan.counters);
  const machine = new Machine({
    ...{ vm, vcpus, workers, threads, memory: regions, board, lines, counters, devices, io },
    ...{ trouble: () => trouble, noticeEventfd, reactor, ownsReactor, log },
  });
  await machine.run();
  return machine;
}

function checkVcpus(vcpus: number): number {
  if (vcpus >= 1 && vcpus <= MAX_VCPUS) return vcpus;
  const text = `cannot build the virtual machine: it has ${vcpus} CPUs; it takes 1 to ${MAX_VCPUS}`;
  throw new EngineError('HK_SPEC_INVALID', text);
}

/** Only a board with disks has one. */
function startIoThread(
  spec: BoardSpec,
  log: (line: string) => void,
  crashed: (why: string) => void,
): IoThread | undefined {
  if (!spec.slots.some(({ device }) => 'block' in device)) return undefined;
  return new IoThread({
    report: (fault) => log(`a device was stopped: ${fault}`),
    crashed,
  });
}

function writeFirmwareTables(spec: BoardSpec, memory: GuestMemory, slots: readonly PciSlotPlan[]): void {
  const board = {
    vcpus: spec.vcpus,
    memoryBytes: spec.memoryBytes,
    uuid: spec.uuid ?? randomUUID(),
    pci: slots.map(({ pci }) => pci),
    serialPorts: spec.slots.some(({ device }) => device.kind === 'lpc'),
  };
  for (const { address, bytes } of buildFirmwareTables(board, spec)) memory.slice(address, bytes.length).set(bytes);
}
