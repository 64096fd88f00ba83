import type { AccessSize, RegisterDevice } from '../bus/register-device';
import {
  ATA_BSY,
  ATA_DRQ,
  CAP,
  CAPABILITIES,
  CMD_ATAPI,
  CMD_CLO,
  CMD_CR,
  CMD_FR,
  CMD_FRE,
  CMD_ST,
  GHC,
  GHC_AE,
  GHC_HR,
  GHC_IE,
  IE_BITS,
  IS,
  PI,
  PORTS_IMPLEMENTED,
  PX_CI,
  PX_CLB,
  PX_CLBU,
  PX_CMD,
  PX_FB,
  PX_FBU,
  PX_IE,
  PX_IS,
  PX_SCTL,
  PX_SERR,
  PX_SIG,
  PX_SSTS,
  PX_TFD,
  SCTL_BITS,
  SCTL_DET,
  SCTL_DET_RESET,
  VERSION_1_3,
  VS,
} from './ahci-layout';
import type { AhciState, AhciWord } from './ahci-state';

/** Registers that are read as they were written, and which bits of them can be written. */
const PLAIN: ReadonlyMap<number, { readonly word: AhciWord; readonly bits: number }> = new Map([
  [PX_CLB, { word: 'clb', bits: 0xffff_fc00 }],
  [PX_CLBU, { word: 'clbu', bits: 0xffff_ffff }],
  [PX_FB, { word: 'fb', bits: 0xffff_ff00 }],
  [PX_FBU, { word: 'fbu', bits: 0xffff_ffff }],
  [PX_IE, { word: 'interruptEnable', bits: IE_BITS }],
]);

/** The registers of an AHCI controller, behind its ABAR. */
export class AhciRegisters implements RegisterDevice {
  /** @param wake wakes the drive's thread: there is something to do. */
  constructor(
    private readonly state: AhciState,
    private readonly wake: () => void,
  ) {}

  read(offset: number, size: AccessSize): number {
    const value = this.#read(offset & ~3);
    return size === 4 ? value : (value >>> ((offset & 3) * 8)) & (2 ** (8 * size) - 1);
  }

  write(offset: number, size: AccessSize, value: number): void {
    const register = offset & ~3;
    if (size === 4) {
      this.#write(register, value);
      return;
    }
    const shift = (offset & 3) * 8;
    const mask = (2 ** (8 * size) - 1) << shift;
    // Where ones do something, the other bytes are zeroes; elsewhere they stay as they are.
    const others = register === IS || register === PX_IS || register === PX_SERR || register === PX_CI;
    const rest = others ? 0 : this.#read(register) & ~mask;
    this.#write(register, (rest | ((value << shift) & mask)) >>> 0);
  }

  #read(register: number): number {
    const { state } = this;
    switch (register) {
      case CAP:
        return CAPABILITIES;
      case GHC:
        return state.get('ghc');
      case IS:
        return state.pending ? 1 : 0;
      case PI:
        return PORTS_IMPLEMENTED;
      case VS:
        return VERSION_1_3;
      case PX_IS:
        return state.portInterruptStatus;
      case PX_CMD:
        return state.get('command');
      case PX_TFD:
        return state.get('taskFile');
      case PX_SIG:
        return state.get('signature');
      case PX_SSTS:
        return state.get('sataStatus');
      case PX_SCTL:
        return state.get('sataControl');
      case PX_SERR:
        return state.get('sataError');
      case PX_CI:
        return state.get('commandIssue');
      default: {
        const plain = PLAIN.get(register);
        return plain === undefined ? 0 : state.get(plain.word);
      }
    }
  }

  #write(register: number, value: number): void {
    const { state } = this;
    switch (register) {
      case GHC:
        this.#writeGlobalControl(value);
        break;
      case IS:
        // Its bit follows the port's, so that clearing it loses nothing.
        state.updateInterrupt(true);
        break;
      case PX_IS:
        state.set('interruptStatus', state.get('interruptStatus') & ~value);
        state.updateInterrupt(true);
        break;
      case PX_CMD:
        this.#writeCommand(value);
        break;
      case PX_SCTL:
        this.#writeSataControl(value & SCTL_BITS);
        break;
      case PX_SERR:
        state.set('sataError', state.get('sataError') & ~value);
        state.updateInterrupt(false);
        break;
      case PX_CI:
        this.#issue(value);
        break;
      default: {
        const plain = PLAIN.get(register);
        if (plain !== undefined) state.set(plain.word, value & plain.bits);
        if (register === PX_IE) state.updateInterrupt(false);
      }
    }
  }

  #writeGlobalControl(value: number): void {
    if ((value & GHC_HR) !== 0) {
      this.state.resetController();
      this.wake();
      return;
    }
    const reset = this.state.get('ghc') & GHC_HR;
    this.state.set('ghc', GHC_AE + (value & GHC_IE) + reset);
    this.state.updateInterrupt(false);
  }

  #writeCommand(value: number): void {
    const { state } = this;
    const before = state.get('command');
    let after = before & ~(CMD_ST | CMD_FRE | CMD_FR | CMD_ATAPI);
    after |= value & (CMD_ST | CMD_FRE | CMD_ATAPI);
    if ((value & CMD_FRE) !== 0) after |= CMD_FR;
    if ((value & CMD_ST) !== 0) after |= CMD_CR;
    state.set('command', after);
    if ((before & ~value & CMD_ST) !== 0) state.stop();
    if ((value & CMD_CLO) !== 0 && ((before | value) & CMD_ST) === 0 && state.get('busy') === 0) {
      state.set('taskFile', state.get('taskFile') & ~(ATA_BSY | ATA_DRQ));
    }
    if ((after & ~before & CMD_FR) !== 0 && state.get('signatureWaits') !== 0) this.wake();
  }

  #writeSataControl(value: number): void {
    const { state } = this;
    const before = state.get('sataControl') & SCTL_DET;
    const after = value & SCTL_DET;
    state.set('sataControl', value);
    if (before !== SCTL_DET_RESET && after === SCTL_DET_RESET) state.startPortReset();
    else if (before === SCTL_DET_RESET && after !== SCTL_DET_RESET) {
      state.finishPortReset();
      this.wake();
    }
  }

  #issue(slots: number): void {
    const { state } = this;
    if (!state.has('command', CMD_ST) || slots === 0) return;
    state.set('commandIssue', state.get('commandIssue') | slots);
    this.wake();
  }
}
