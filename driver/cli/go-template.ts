import { DriverError } from '../errors';

/**
 * The part of Go's text/template that `--format` options live on: fields (`{{.Driver.IPAddress}}`), `{{.}}`, texts and
 * numbers, `if`/`else`/`end`, `range`/`end`, the functions json, prettyjson, index, len, lower, upper, join, pipelines
 * of them, and `{{-`, `-}}`.
 */
export interface Template {
  /** @throws DriverError HK_USAGE for fields that `data` has not, when it is `strict` */
  render(data: unknown): string;
}

export interface TemplateOptions {
  /** A field that is not there is an error, as with Go's structs; else it is `<no value>`, as with Go's maps. */
  readonly strict: boolean;
}

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'range';
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** Commands from left to right; each one's result is the last argument of the next. */
type Pipeline = readonly (readonly Term[])[];
type Term =
  | { readonly kind: 'field'; readonly path: readonly string[] }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'function'; readonly name: string };

const MAX_LENGTH = 64 * 1024;
const MAX_DEPTH = 50;

/** Reads a template. @throws DriverError HK_USAGE naming what is wrong with it */
export function parseTemplate(source: string, options: TemplateOptions): Template {
  if (source.length > MAX_LENGTH) throw wrong(`it is longer than ${MAX_LENGTH} characters`);
  const tokens = tokenize(source);
  const nodes = new Parser(tokens).parse();
  return { render: (data) => renderAll(nodes, data, options) };
}

type Token = { readonly kind: 'text' | 'action'; readonly text: string };

function tokenize(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let rest = source;
  let trimNext = false;
  for (;;) {
    const start = rest.indexOf('{{');
    let text = start < 0 ? rest : rest.slice(0, start);
    if (trimNext) text = text.trimStart();
    const opensTrimmed = start >= 0 && /^\{\{-\s/.test(rest.slice(start));
    if (opensTrimmed) text = text.trimEnd();
    if (text !== '') tokens.push({ kind: 'text', text });
    if (start < 0) return tokens;
    // Quoted texts may hold braces.
    const [whole, inside] = /^\{\{((?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^}"`]|\}(?!\}))*)\}\}/s.exec(rest.slice(start)) ?? [];
    if (whole === undefined || inside === undefined) throw wrong('a {{ has no }}');
    trimNext = /\s-$/.test(inside);
    const action = inside.replace(opensTrimmed ? /^-\s/ : /^/, '').replace(/\s-$/, '');
    tokens.push({ kind: 'action', text: action.trim() });
    rest = rest.slice(start + whole.length);
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): readonly Node[] {
    const { nodes, stop } = this.#block(0);
    if (stop !== undefined) throw wrong(`there is {{${stop}}} without {{if}} or {{range}}`);
    return nodes;
  }

  /** Up to the `end` or `else` that closes this block, or the end of all. */
  #block(depth: number): { readonly nodes: readonly Node[]; readonly stop: 'end' | 'else' | undefined } {
    if (depth > MAX_DEPTH) throw wrong(`its blocks are nested more than ${MAX_DEPTH} deep`);
    const nodes: Node[] = [];
    for (let token = this.#tokens[this.#next++]; token !== undefined; token = this.#tokens[this.#next++]) {
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text });
        continue;
      }
      if (token.text.startsWith('/*')) continue;
      if (token.text === 'end' || token.text === 'else') return { nodes, stop: token.text };
      const [, keyword, condition = ''] = /^(if|range)\s+(.*)$/s.exec(token.text) ?? [];
      if (keyword === undefined) nodes.push({ kind: 'action', pipeline: parsePipeline(token.text) });
      else nodes.push(this.#conditional(keyword as 'if' | 'range', condition, depth));
    }
    return { nodes, stop: undefined };
  }

  #conditional(kind: 'if' | 'range', condition: string, depth: number): Node {
    const pipeline = parsePipeline(condition);
    const body = this.#block(depth + 1);
    const otherwise = body.stop === 'else' ? this.#block(depth + 1) : { nodes: [], stop: body.stop };
    if (otherwise.stop !== 'end') throw wrong(`a {{${kind}}} has no {{end}}`);
    return { kind, pipeline, body: body.nodes, otherwise: otherwise.nodes };
  }
}

function parsePipeline(text: string): Pipeline {
  const commands: Term[][] = [[]];
  const word = /\s*(?:(\|)|"((?:[^"\\]|\\.)*)"|`([^`]*)`|(-?\d+(?:\.\d+)?)(?![\w.])|((?:\.\w+)+|\.)(?![\w.])|(\w+))/sy;
  while (word.lastIndex < text.trimEnd().length) {
    const at = word.lastIndex;
    const match = word.exec(text);
    if (match === null) throw wrong(`"${text.slice(at).trim()}" is not understood`);
    const [, pipe, quoted, raw, number, field, name] = match;
    const command = commands.at(-1) ?? [];
    if (pipe !== undefined) commands.push([]);
    else if (quoted !== undefined) command.push({ kind: 'literal', value: unquote(quoted) });
    else if (raw !== undefined) command.push({ kind: 'literal', value: raw });
    else if (number !== undefined) command.push({ kind: 'literal', value: Number(number) });
    else if (field !== undefined) command.push({ kind: 'field', path: field.split('.').filter((part) => part !== '') });
    else if (name === 'true' || name === 'false') command.push({ kind: 'literal', value: name === 'true' });
    else command.push({ kind: 'function', name: functionName(name ?? '') });
  }
  if (commands.some((command) => command.length === 0)) throw wrong(`"{{${text}}}" lacks a field`);
  return commands;
}

function unquote(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    throw wrong(`the text "${text}" has an escape that is not understood`);
  }
}

function functionName(name: string): string {
  if (FUNCTIONS.has(name)) return name;
  throw wrong(`there is no function "${name}"; there are ${[...FUNCTIONS.keys()].join(', ')}`);
}

const FUNCTIONS: ReadonlyMap<string, (...values: readonly unknown[]) => unknown> = new Map<
  string,
  (...values: readonly unknown[]) => unknown
>([
  ['json', (value) => JSON.stringify(value ?? null)],
  ['prettyjson', (value) => JSON.stringify(value ?? null, undefined, 4)],
  ['index', (value, ...keys) => keys.reduce((found, key) => memberOf(found, String(key)), value)],
  [
    'len',
    (value) => (typeof value === 'string' || Array.isArray(value) ? value.length : Object.keys(value ?? {}).length),
  ],
  ['lower', (value) => goText(value).toLowerCase()],
  ['upper', (value) => goText(value).toUpperCase()],
  ['join', (value, separator) => (Array.isArray(value) ? value.map(goText).join(String(separator)) : goText(value))],
]);

function renderAll(nodes: readonly Node[], data: unknown, options: TemplateOptions): string {
  return nodes.map((node) => render(node, data, options)).join('');
}

function render(node: Node, data: unknown, options: TemplateOptions): string {
  switch (node.kind) {
    case 'text':
      return node.text;
    case 'action':
      return goText(evaluate(node.pipeline, data, options));
    case 'if':
      return renderAll(isTrue(evaluate(node.pipeline, data, options)) ? node.body : node.otherwise, data, options);
    case 'range': {
      const items = Object.values((evaluate(node.pipeline, data, options) ?? {}) as object);
      if (items.length === 0) return renderAll(node.otherwise, data, options);
      return items.map((item) => renderAll(node.body, item, options)).join('');
    }
  }
}

function evaluate(pipeline: Pipeline, data: unknown, options: TemplateOptions): unknown {
  let result: { readonly value: unknown } | undefined;
  for (const [first, ...rest] of pipeline) {
    const values = rest.map((term) => resultOf(term, data, options));
    if (result !== undefined) values.push(result.value);
    if (first?.kind === 'function') result = { value: FUNCTIONS.get(first.name)?.(...values) };
    else if (values.length > 0 || first === undefined) throw wrong('only functions take what stands behind them');
    else result = { value: resultOf(first, data, options) };
  }
  return result?.value;
}

function resultOf(term: Term, data: unknown, { strict }: TemplateOptions): unknown {
  switch (term.kind) {
    case 'literal':
      return term.value;
    case 'function':
      return FUNCTIONS.get(term.name)?.();
    case 'field':
      return term.path.reduce((found, key) => {
        const value = memberOf(found, key);
        if (value !== undefined || !strict) return value;
        const there = typeof found === 'object' && found !== null ? Object.keys(found).join(', ') : 'nothing';
        throw wrong(`there is no field .${term.path.join('.')}; there is ${there}`);
      }, data);
  }
}

/** Own members only: a template cannot reach what objects inherit. */
function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

/** Empty texts, lists and objects, 0, false and nothing are false, as in Go. */
function isTrue(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A value as Go's %v shows it. */
export function goText(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value === 'object') {
    const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
    return `map[${members.map(([key, member]) => `${key}:${goText(member)}`).join(' ')}]`;
  }
  return String(value);
}

function wrong(reason: string): DriverError {
  return new DriverError('HK_USAGE', `cannot use this --format: ${reason}`);
}
