/** A request that has arrived whole. */
export interface ControlRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** The asker's address, when it has one: a guest. */
  readonly peer: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export type Handler = (request: ControlRequest) => Answer | Promise<Answer>;

/** Handlers by path. */
export type Routes = ReadonlyMap<string, Handler>;

const JSON_TYPE = 'application/json; charset=UTF-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** JSON with the line feed that Go's encoder ends it with. */
export function json(status: number, value: unknown): Answer {
  return { status, type: JSON_TYPE, text: `${JSON.stringify(value)}\n` };
}

/** One line of text, as Go's http.Error writes it. */
export function text(status: number, line: string): Answer {
  return { status, type: TEXT_TYPE, text: `${line}\n` };
}

export function nothing(): Answer {
  return { status: 200, type: TEXT_TYPE, text: '' };
}
