/**
 * Go's encoding/gob: typed values over a byte stream that describes its own types.
 *
 * @example Sending
 * const response = gob.struct('Response', [['ServiceMethod', gob.string], ['Seq', gob.uint], ['Error', gob.string]]);
 * const encoder = new GobEncoder({ registry: new GobRegistry().register('*mcnflag.BoolFlag', boolFlag) });
 * socket.write(encoder.encode({ ServiceMethod: 'S.M', Seq: 1 }, response)); // left-out fields are zero
 * socket.write(encoder.encode([{ type: '*mcnflag.BoolFlag', value: { Name: 'x' } }], gob.slice(gob.interface)));
 *
 * @example Receiving
 * const decoder = new GobDecoder({ registry });
 * socket.on('data', (chunk) => {
 *   decoder.push(chunk);
 *   for (let item = decoder.next(); item !== undefined; item = decoder.next()) {
 *     item.value; // as the peer sent it
 *     item.type; // as the peer described it
 *     conform(item.value, item.type, response, registry); // as our type, zeros filled in; throws GOB_TYPE_MISMATCH
 *   }
 * });
 *
 * One encoder and one decoder per direction of a connection: both remember the types that were defined on it. A failed
 * `encode` leaves its encoder as it was. A failed decoder throws the same error ever after; `conform` failing does not
 * touch the decoder. Every error is a {@link GobError}.
 */
export { conform } from './conform';
export { type DecodedValue, GobDecoder, type GobDecoderOptions } from './decoder';
export { GobEncoder, type GobEncoderOptions } from './encoder';
export { GobError, type GobErrorCode } from './error';
export { DEFAULT_LIMITS, type GobLimits } from './limits';
export { GobRegistry } from './registry';
export {
  type GobArray,
  type GobBasic,
  type GobBasicKind,
  type GobField,
  type GobMap,
  type GobMarshaled,
  type GobMarshaler,
  type GobSlice,
  type GobStructType,
  type GobType,
  type GobTypeRef,
  gob,
} from './type';
export { typeText } from './type-text';
export type { GobComplex, GobInterface, GobStruct, GobValue } from './value';
export { zeroValue } from './zero';
