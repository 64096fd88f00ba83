import { EngineError } from '../../errors';

/*
 * Zones come with regular expressions in Go's syntax, and guests may add zones. JavaScript's own expressions take
 * exponential time on patterns like (a+)+$, so these run as Go's do: all ways at once, one step for each character.
 */

const MAX_PATTERN = 512;
const MAX_DEPTH = 32;
const MAX_REPEAT = 1000;
/** A program's size is what a match costs for each character of a name. */
const MAX_STEPS = 1024;

const REPETITION = /^(?:[*+?]|\{(\d{1,4})(,?)(\d{0,4})\})/;

type CharacterTest = (code: number) => boolean;

type Node =
  | { readonly kind: 'character'; readonly test: CharacterTest }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number };

type Step =
  | { readonly kind: 'character'; readonly test: CharacterTest }
  | { readonly kind: 'start' | 'end' | 'match' }
  | { readonly kind: 'split'; readonly next: number[] };

/** A compiled pattern. */
export interface ZonePattern {
  /** Whether it matches anywhere in a text in lower case; case does not matter, as always with names. */
  matches(text: string): boolean;
  /** How many steps a character costs at most. */
  readonly size: number;
}

/**
 * Compiles a regular expression of Go's syntax: characters, `.`, classes, `\d \w \s`, groups, `|`, `* + ? {n,m}`,
 * `^ $ \A \z`. The time of a match grows with size times length of the text, whatever the pattern.
 * @throws EngineError HK_NET_CONFIG_INVALID for anything else, and for patterns that are too large.
 */
export function compileZonePattern(pattern: string): ZonePattern {
  const fail = (reason: string): EngineError =>
    new EngineError(
      'HK_NET_CONFIG_INVALID',
      `cannot use the pattern ${JSON.stringify(pattern.slice(0, 80))}: ${reason}`,
    );
  if (pattern.length > MAX_PATTERN) throw fail(`it is longer than ${MAX_PATTERN} characters`);
  const steps: Step[] = [];
  emit(new PatternParser(pattern, fail).parse(), steps, fail);
  steps.push({ kind: 'match' });
  return { matches: (text) => run(steps, text), size: steps.length };
}

class PatternParser {
  readonly #text: string;
  readonly #fail: (reason: string) => EngineError;
  #at = 0;

  constructor(text: string, fail: (reason: string) => EngineError) {
    // A leading (?i) asks for what is the case anyway.
    this.#text = text.replace(/^\(\?i\)/, '');
    this.#fail = fail;
  }

  parse(): Node {
    const node = this.#choice(0);
    if (this.#at < this.#text.length) throw this.#fail('a ")" has no "("');
    return node;
  }

  #choice(depth: number): Node {
    if (depth > MAX_DEPTH) throw this.#fail('its groups are nested too deep');
    const parts = [this.#sequence(depth)];
    while (this.#take('|')) parts.push(this.#sequence(depth));
    return { kind: 'choice', parts };
  }

  #sequence(depth: number): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && this.#text[this.#at] !== '|' && this.#text[this.#at] !== ')') {
      parts.push(this.#repeat(this.#atom(depth)));
    }
    return { kind: 'sequence', parts };
  }

  #repeat(part: Node): Node {
    const match = REPETITION.exec(this.#text.slice(this.#at));
    if (!match) return part;
    this.#at += match[0].length;
    // Lazy or greedy: whether something matches is the same.
    this.#take('?');
    if (REPETITION.test(this.#text.slice(this.#at))) throw this.#fail('a repetition is repeated');
    const [sign, min, comma, max] = match;
    if (sign === '*') return { kind: 'repeat', part, min: 0, max: Number.POSITIVE_INFINITY };
    if (sign === '+') return { kind: 'repeat', part, min: 1, max: Number.POSITIVE_INFINITY };
    if (sign === '?') return { kind: 'repeat', part, min: 0, max: 1 };
    const low = Number(min);
    const high = max ? Number(max) : comma ? Number.POSITIVE_INFINITY : low;
    if (low > high || low > MAX_REPEAT || (high > MAX_REPEAT && high !== Number.POSITIVE_INFINITY)) {
      throw this.#fail(`${sign} is no repetition`);
    }
    return { kind: 'repeat', part, min: low, max: high };
  }

  #atom(depth: number): Node {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group(depth);
      case '[':
        return { kind: 'character', test: this.#class() };
      case '.':
        return { kind: 'character', test: () => true };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '*':
      case '+':
      case '?':
        throw this.#fail(`there is nothing that "${character}" could repeat`);
      case '\\':
        if (this.#take('A')) return { kind: 'start' };
        if (this.#take('z')) return { kind: 'end' };
        return { kind: 'character', test: this.#escape() };
      default:
        return { kind: 'character', test: only(character) };
    }
  }

  #group(depth: number): Node {
    if (this.#text[this.#at] === '?') {
      const opening = /^\?(?::|P?<\w{1,64}>)/.exec(this.#text.slice(this.#at));
      if (!opening) throw this.#fail('flags and look-around are not supported');
      this.#at += opening[0].length;
    }
    const node = this.#choice(depth + 1);
    if (!this.#take(')')) throw this.#fail('a "(" has no ")"');
    return node;
  }

  #class(): CharacterTest {
    const isNegated = this.#take('^');
    const tests: CharacterTest[] = [];
    do {
      const character = this.#next();
      if (character === '[' && this.#text[this.#at] === ':') throw this.#fail('[:classes:] are not supported');
      const isEscaped = character === '\\';
      const first = isEscaped ? (this.#text[this.#at] ?? '') : character;
      const test = isEscaped ? this.#escape() : only(character);
      const isRange = this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']';
      tests.push(isRange && !(isEscaped && /\w/.test(first)) ? this.#range(first) : test);
    } while (!this.#take(']'));
    return (code) => tests.some((test) => test(code)) !== isNegated;
  }

  #range(first: string): CharacterTest {
    this.#at++;
    this.#take('\\');
    const last = this.#next();
    const low = first.charCodeAt(0);
    const high = last.charCodeAt(0);
    if (low > high) throw this.#fail(`${first}-${last} is no range`);
    // Both cases, because names are matched in lower case.
    return (code) => isBetween(code, low, high) || (isBetween(code, 0x61, 0x7a) && isBetween(code - 0x20, low, high));
  }

  #escape(): CharacterTest {
    const character = this.#next();
    const named = ESCAPES[character];
    if (named) return named;
    if (/\w/.test(character)) throw this.#fail(`\\${character} is not supported`);
    return only(character);
  }

  #next(): string {
    const character = this.#text[this.#at++];
    if (character === undefined) throw this.#fail('it ends too early');
    return character;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}

const isDigit: CharacterTest = (code) => isBetween(code, 0x30, 0x39);
const isWord: CharacterTest = (code) => isDigit(code) || isBetween(code, 0x61, 0x7a) || code === 0x5f;
const isSpace: CharacterTest = (code) => code === 0x20 || isBetween(code, 0x09, 0x0d);

const ESCAPES: Readonly<Record<string, CharacterTest | undefined>> = {
  d: isDigit,
  D: (code) => !isDigit(code),
  w: isWord,
  W: (code) => !isWord(code),
  s: isSpace,
  S: (code) => !isSpace(code),
};

function isBetween(code: number, low: number, high: number): boolean {
  return code >= low && code <= high;
}

function only(character: string): CharacterTest {
  const wanted = character.toLowerCase().charCodeAt(0);
  return (code) => code === wanted;
}

function emit(node: Node, steps: Step[], fail: (reason: string) => EngineError): void {
  if (steps.length >= MAX_STEPS) throw fail(`it takes more than ${MAX_STEPS} steps`);
  switch (node.kind) {
    case 'sequence':
      for (const part of node.parts) emit(part, steps, fail);
      return;
    case 'choice': {
      const ends: number[][] = [];
      for (const [index, part] of node.parts.entries()) {
        const isLast = index === node.parts.length - 1;
        const split: number[] = [];
        if (!isLast) steps.push({ kind: 'split', next: split });
        split.push(steps.length);
        emit(part, steps, fail);
        if (isLast) break;
        const end: number[] = [];
        steps.push({ kind: 'split', next: end });
        ends.push(end);
        split.push(steps.length);
      }
      for (const end of ends) end.push(steps.length);
      return;
    }
    case 'repeat': {
      for (let count = 0; count < node.min; count++) {
        const before = steps.length;
        emit(node.part, steps, fail);
        // Nothing, any number of times: without this, nested ones would take for ever.
        if (steps.length === before) break;
      }
      if (node.max === Number.POSITIVE_INFINITY) {
        const loop = steps.length;
        const split: number[] = [loop + 1];
        steps.push({ kind: 'split', next: split });
        emit(node.part, steps, fail);
        steps.push({ kind: 'split', next: [loop] });
        split.push(steps.length);
        return;
      }
      const exits: number[][] = [];
      for (let count = node.min; count < node.max; count++) {
        const split: number[] = [steps.length + 1];
        steps.push({ kind: 'split', next: split });
        exits.push(split);
        emit(node.part, steps, fail);
      }
      for (const exit of exits) exit.push(steps.length);
      return;
    }
    default:
      steps.push(node);
  }
}

/** Walks all ways through the program at once. A step is looked at once for each character, so nothing can explode. */
function run(steps: readonly Step[], text: string): boolean {
  let waiting: number[] = [];
  const seenAt = new Int32Array(steps.length).fill(-1);
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : -1;
    // A match may begin at each character.
    const pending = [0, ...waiting];
    waiting = [];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      const step = steps[index];
      if (!step || seenAt[index] === at) continue;
      seenAt[index] = at;
      switch (step.kind) {
        case 'match':
          return true;
        case 'split':
          pending.push(...step.next);
          break;
        case 'start':
          if (at === 0) pending.push(index + 1);
          break;
        case 'end':
          if (code < 0) pending.push(index + 1);
          break;
        case 'character':
          if (code >= 0 && step.test(code)) waiting.push(index + 1);
          break;
      }
    }
  }
  return false;
}
