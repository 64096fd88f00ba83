import { type EncodeTarget, writeTopLevel } from './encode-plan';
import { GobError } from './error';
import type { GobBasicKind, GobType } from './type';
import { BASIC_IDS, checkKeyTypes, innerTypes, LAST_DEFINABLE_ID, toDefinition, WIRE_TYPE } from './wire-type';
import { Writer } from './writer';

type Definable = Exclude<GobType, { kind: GobBasicKind }>;

const isDefinable = (type: GobType): type is Definable => !(type.kind in BASIC_IDS);

const unreachable = (): never => {
  throw new GobError('GOB_INVALID_TYPE', 'type definitions hold no interface values');
};

/**
 * The types of one outgoing stream: which id each got, which are defined already, and the definition messages that
 * are waiting to be sent. Ids and messages come in the order in which Go's encoder would produce them.
 */
export class SentTypes {
  readonly #ids = new Map<GobType, number>();
  readonly #defined = new Set<GobType>();
  readonly #writer = new Writer();
  readonly #target: EncodeTarget = { writer: this.#writer, registered: unreachable, idOf: unreachable };
  #nextId: number;
  #fresh: GobType[] = [];

  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  /** The id of a type; definitions it needs are added to the waiting ones. */
  idOf(type: GobType): number {
    if (isDefinable(type) && !this.#defined.has(type)) {
      checkKeyTypes(type);
      this.#assign(type, new Set());
      this.#define(type);
    }
    return this.#id(type);
  }

  /** True while there are definitions to send. */
  get waiting(): boolean {
    return this.#fresh.length > 0;
  }

  /** The waiting definition messages, which thereby count as sent. */
  take(): Buffer {
    this.#fresh = [];
    return this.#writer.take();
  }

  /** Forgets the waiting definitions: the value that needed them is not going to be sent. */
  forget(): void {
    for (const type of this.#fresh) {
      this.#defined.delete(type);
      this.#ids.delete(type);
    }
    this.#nextId -= this.#fresh.length;
    this.#fresh = [];
    this.#writer.reset();
  }

  #id(type: GobType): number {
    return isDefinable(type) ? this.#ids.get(type)! : BASIC_IDS[type.kind];
  }

  // Go numbers a struct before its fields, but a slice, array or map after its elements, unless they lead back to it.
  #assign(type: GobType, open: Set<GobType>): void {
    if (!isDefinable(type) || this.#ids.has(type) || open.has(type)) return;
    const first = type.kind === 'struct' || type.kind === 'marshaled';
    if (first) this.#number(type);
    open.add(type);
    const inner = innerTypes(type);
    for (const found of inner) {
      this.#assign(found, open);
      if (first) this.#number(found);
    }
    this.#number(type);
    for (const found of inner) this.#number(found);
  }

  #number(type: GobType): void {
    if (!isDefinable(type) || this.#ids.has(type)) return;
    if (this.#nextId > LAST_DEFINABLE_ID) throw new GobError('GOB_LIMIT', 'no type ids left on this stream');
    this.#ids.set(type, this.#nextId++);
    this.#fresh.push(type);
  }

  /* A definition message: length, negative id, value of wireType. The types inside follow, each in its own message. */
  #define(type: GobType): void {
    if (!isDefinable(type) || this.#defined.has(type)) return;
    this.#defined.add(type);
    const id = this.#id(type);
    const start = this.#writer.open();
    this.#writer.int(-id);
    writeTopLevel(
      this.#target,
      WIRE_TYPE,
      toDefinition(type, id, (inner) => this.#id(inner)),
    );
    this.#writer.close(start);
    for (const inner of innerTypes(type)) this.#define(inner);
  }
}
