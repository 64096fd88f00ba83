import type { PciFunction, PciFunctionWires } from '../pci/pci-function';
import {
  ATA_BSY,
  CMD_CCS,
  CMD_CCS_SHIFT,
  CMD_CR,
  CMD_FR,
  CMD_POD,
  CMD_ST,
  CMD_SUD,
  ERROR_DIAGNOSED,
  GHC_AE,
  GHC_HR,
  GHC_IE,
  IS_PCS,
  SERR_DIAG_X,
  SLOTS,
  SSTS_NO_LINK,
  SSTS_UP,
} from './ahci-layout';

/** The task file that a device shows after a reset, which tells what it is (ATA8-ACS, "device signatures"). */
export interface Signature {
  /** As in PxSIG: LBA high, LBA mid, LBA low, sector count. */
  readonly value: number;
  readonly status: number;
}

const S = {
  ghc: 0,
  clb: 1,
  clbu: 2,
  fb: 3,
  fbu: 4,
  interruptStatus: 5,
  interruptEnable: 6,
  command: 7,
  taskFile: 8,
  signature: 9,
  sataStatus: 10,
  sataControl: 11,
  sataError: 12,
  commandIssue: 13,
  /** The device half works on a command, and may touch guest memory. */
  busy: 14,
  /** Counts whatever makes results of commands under way void. */
  epoch: 15,
  /** A reset that waits for the device half: one of the RESET_ values. */
  resetWaits: 16,
  /** The signature is to be sent to guest memory, too. */
  signatureWaits: 17,
  /** A command failed: nothing is executed until the driver stops the port. */
  halted: 18,
  /** The last interrupt condition that was signalled. */
  signalled: 19,
} as const;
const WORDS = 20;

export type AhciWord = keyof typeof S;

const RESET_NONE = 0;
const RESET_PORT = 1;
const RESET_CONTROLLER = 2;

/** A command that the device half has taken. */
export interface TakenSlot {
  readonly slot: number;
  readonly epoch: number;
  readonly commandList: number;
}

/**
 * What the two halves of an AHCI controller share, the registers (in vCPU threads) and the drive (in an I/O thread), and
 * the changes that both may make. Whoever calls holds the board's lock.
 */
export class AhciState {
  static readonly STATE_BYTES = WORDS * 4;
  readonly #words: Uint32Array;

  constructor(
    shared: SharedArrayBuffer,
    readonly signature: Signature,
    private readonly pci: PciFunction,
    private readonly wires: PciFunctionWires,
  ) {
    this.#words = new Uint32Array(shared, 0, WORDS);
  }

  get(word: AhciWord): number {
    return this.#words[S[word]] as number;
  }

  set(word: AhciWord, value: number): void {
    this.#words[S[word]] = value;
  }

  /** Power-on. */
  initialize(): void {
    this.#words.fill(0);
    this.#resetController();
  }

  has(word: AhciWord, bits: number): boolean {
    return (this.get(word) & bits) !== 0;
  }

  /** GHC.HR. It stays set until the drive has let go of guest memory. */
  resetController(): void {
    this.set('ghc', GHC_AE + GHC_HR);
    this.#resetWhenIdle(RESET_CONTROLLER);
  }

  /** COMRESET: the link goes down, and comes up again in {@link finishPortReset}. */
  startPortReset(): void {
    this.set('sataStatus', SSTS_NO_LINK);
    this.set('taskFile', ATA_BSY);
    this.set('epoch', this.get('epoch') + 1);
  }

  finishPortReset(): void {
    this.#resetWhenIdle(RESET_PORT);
  }

  /** PxCMD.ST became 0: what was issued is forgotten. */
  stop(): void {
    this.set('commandIssue', 0);
    this.set('halted', 0);
    this.set('epoch', this.get('epoch') + 1);
    this.set('command', this.get('command') & ~CMD_CCS);
    if (this.get('busy') === 0) this.set('command', this.get('command') & ~CMD_CR);
  }

  /** For the device half: the next command, if it may be executed now. It is busy until {@link release}. */
  take(): TakenSlot | undefined {
    const issued = this.get('commandIssue');
    if (issued === 0 || !this.has('command', CMD_ST) || this.get('halted') !== 0) return undefined;
    if (!this.pci.busMaster) return undefined;
    if (this.get('resetWaits') !== RESET_NONE || this.has('taskFile', ATA_BSY)) return undefined;
    const last = (this.get('command') & CMD_CCS) >>> CMD_CCS_SHIFT;
    let slot = last;
    do slot = (slot + 1) % SLOTS;
    while (((issued >>> slot) & 1) === 0);
    this.set('command', (this.get('command') & ~CMD_CCS) | (slot << CMD_CCS_SHIFT));
    this.set('busy', 1);
    this.set('taskFile', this.get('taskFile') | ATA_BSY);
    return { slot, epoch: this.get('epoch'), commandList: this.get('clb') + this.get('clbu') * 0x1_0000_0000 };
  }

  /** Whether what a taken command did still counts. */
  isCurrent({ epoch }: TakenSlot): boolean {
    return this.get('epoch') === epoch;
  }

  /** The device half has let go of guest memory: what waited for that happens. */
  release(): void {
    this.set('busy', 0);
    if (!this.has('command', CMD_ST)) this.set('command', this.get('command') & ~CMD_CR);
    if (this.get('sataStatus') === SSTS_UP) this.set('taskFile', this.get('taskFile') & ~ATA_BSY);
    const waits = this.get('resetWaits');
    this.set('resetWaits', RESET_NONE);
    if (waits === RESET_CONTROLLER) this.#resetController();
    else if (waits === RESET_PORT) this.#resetPort();
  }

  /** Where received FISes go; undefined while the driver doesn't want them. */
  get receiveArea(): number | undefined {
    return this.has('command', CMD_FR) ? this.get('fb') + this.get('fbu') * 0x1_0000_0000 : undefined;
  }

  /** The task file after a reset, as seen from a driver. */
  showSignature(): void {
    this.set('signature', this.signature.value);
    this.set('taskFile', (ERROR_DIAGNOSED << 8) | this.signature.status);
  }

  raise(causes: number): void {
    this.set('interruptStatus', this.get('interruptStatus') | causes);
    this.updateInterrupt(true);
  }

  /** IS.IPS: the port has an enabled cause. PxIS.PCS mirrors PxSERR.DIAG.X. */
  get pending(): boolean {
    return (this.portInterruptStatus & this.get('interruptEnable')) !== 0;
  }

  get portInterruptStatus(): number {
    return (this.get('interruptStatus') | (this.has('sataError', SERR_DIAG_X) ? IS_PCS : 0)) >>> 0;
  }

  /** Level for the pin; a message each time when something is pending that the driver may not have seen. */
  updateInterrupt(news: boolean): void {
    const level = this.pending && this.has('ghc', GHC_IE);
    const before = this.get('signalled') !== 0;
    this.set('signalled', level ? 1 : 0);
    const byMessages = this.pci.msiEnabled;
    this.pci.setIntx(level && !byMessages, this.wires.lines);
    if (level && byMessages && (news || !before)) this.pci.signalMsi(this.wires.messages);
  }

  #resetWhenIdle(kind: number): void {
    this.set('epoch', this.get('epoch') + 1);
    if (this.get('busy') !== 0) {
      this.set('resetWaits', Math.max(kind, this.get('resetWaits')));
      return;
    }
    if (kind === RESET_CONTROLLER) this.#resetController();
    else this.#resetPort();
  }

  #resetController(): void {
    for (const word of ['clb', 'clbu', 'fb', 'fbu', 'interruptEnable', 'sataControl', 'commandIssue'] as const) {
      this.set(word, 0);
    }
    this.set('ghc', GHC_AE);
    this.set('command', CMD_SUD | CMD_POD);
    this.set('interruptStatus', 0);
    this.set('halted', 0);
    this.set('sataError', 0);
    this.#resetPort();
  }

  #resetPort(): void {
    this.set('sataStatus', SSTS_UP);
    this.set('sataError', this.get('sataError') | SERR_DIAG_X);
    this.set('signatureWaits', 1);
    this.showSignature();
    this.updateInterrupt(true);
  }
}
