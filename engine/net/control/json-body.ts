/** What is wrong with the JSON of a request, in words for the one who sent it. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
}

/** A JSON object's fields. Like Go's decoder: exact names win, other capitals do as well, unknown ones don't matter. */
export class JsonFields {
  readonly #exact: ReadonlyMap<string, unknown>;
  readonly #folded: ReadonlyMap<string, unknown>;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new BodyError('the body is not a JSON object');
    }
    const entries = Object.entries(value).filter(([, field]) => field !== null);
    this.#exact = new Map(entries);
    this.#folded = new Map(entries.map(([name, field]) => [name.toLowerCase(), field]));
  }

  /** @throws BodyError when the field is there and no string. */
  string(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'string') return value;
    throw new BodyError(`${name} must be a string`);
  }

  /** @throws BodyError when the field is there and no port. */
  port(name: string): number | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
    throw new BodyError(`${name} must be an integer from 0 to 65535`);
  }

  /** @throws BodyError when the field is there and no list. */
  list(name: string): readonly unknown[] {
    const value = this.#get(name) ?? [];
    if (Array.isArray(value)) return value;
    throw new BodyError(`${name} must be a list`);
  }

  #get(name: string): unknown {
    return this.#exact.has(name) ? this.#exact.get(name) : this.#folded.get(name.toLowerCase());
  }
}

/** @throws BodyError when the text is no JSON object; `null` counts as one without fields. */
export function parseFields(body: string): JsonFields {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw new BodyError(`the body is not JSON: ${(error as Error).message}`);
  }
  return new JsonFields(value ?? {});
}
