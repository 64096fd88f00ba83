import type { MessageInitShape } from '@bufbuild/protobuf';
import { EngineError } from '../../engine/errors';
import type { CreateFlagSchema, FlagValue } from '../../proto/generated/hyperkit/driver/v1/driver_pb';
import type { CreateFlag, FlagValues } from '../contract/create-flags';

/** A flag as the service tells it. */
export function toFlagMessage(flag: CreateFlag): MessageInitShape<typeof CreateFlagSchema> {
  const { name, usage, envVar } = flag;
  switch (flag.kind) {
    case 'string':
      return { name, usage, envVar, defaultValue: { kind: { case: 'text', value: flag.value } } };
    case 'int':
      return { name, usage, envVar, defaultValue: { kind: { case: 'number', value: BigInt(flag.value) } } };
    case 'bool':
      return { name, usage, envVar, defaultValue: { kind: { case: 'boolean', value: false } } };
    case 'slice':
      return { name, usage, envVar, defaultValue: { kind: { case: 'list', value: { items: [...flag.value] } } } };
  }
}

/** @throws EngineError HK_REQUEST_INVALID for a value that no flag can have */
export function toFlagValues(flags: Readonly<Record<string, FlagValue>>): FlagValues {
  return new Map(Object.entries(flags).map(([name, { kind }]) => [name, toValue(name, kind)]));
}

function toValue(name: string, kind: FlagValue['kind']): string | number | boolean | readonly string[] {
  switch (kind.case) {
    case 'text':
    case 'boolean':
      return kind.value;
    case 'list':
      return kind.value.items;
    case 'number':
      if (Number.isSafeInteger(Number(kind.value))) return Number(kind.value);
      break;
    case undefined:
  }
  throw new EngineError('HK_REQUEST_INVALID', `cannot use the flag ${name}: it has no value, or one out of all bounds`);
}
