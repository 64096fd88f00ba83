import * as v from 'valibot';
import { EngineError } from '../../errors';

/**
 * Reads a JSON list of a configuration file; `what` is what cannot be read otherwise.
 * @throws EngineError HK_NET_CONFIG_INVALID that says where in the list something is wrong.
 */
export function parseJsonList<Schema extends v.GenericSchema>(
  schema: Schema,
  text: string,
  what: string,
): v.InferOutput<Schema> {
  const invalid = (reason: string, cause?: unknown): EngineError =>
    new EngineError('HK_NET_CONFIG_INVALID', `cannot read ${what}: ${reason}`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(`it is not JSON: ${(cause as Error).message}`, cause);
  }
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw invalid(`${v.getDotPath(issue) ?? 'the list'}: ${issue.message}`);
}
