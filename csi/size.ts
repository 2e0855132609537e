/** How large a volume becomes. Pure. */
import { status } from "@grpc/grpc-js";
import type { CapacityRange } from "../proto/csi.js";
import { RpcError } from "../proto/rpc-error.js";
import { invalid } from "./errors.js";
import { SIZE_UNIT_BYTES, VOLUME_BYTES_MIN } from "./limits.js";

/** @param unasked bytes, where none are required
 * @returns bytes
 * @throws {RpcError} OUT_OF_RANGE: no size that a volume can have is within the range */
export function sizeOf(range: CapacityRange | null, unasked = VOLUME_BYTES_MIN): number {
  const { requiredBytes = 0, limitBytes = 0 } = range ?? {};
  if (requiredBytes < 0 || limitBytes < 0) throw invalid("a capacity is less than 0");
  const wanted = Math.max(requiredBytes === 0 ? unasked : requiredBytes, VOLUME_BYTES_MIN);
  const size = Math.ceil(wanted / SIZE_UNIT_BYTES) * SIZE_UNIT_BYTES;
  if (limitBytes !== 0 && size > limitBytes)
    throw new RpcError(
      status.OUT_OF_RANGE,
      `the volume would have ${size} bytes, more than the limit of ${limitBytes}: sizes are multiples of ${SIZE_UNIT_BYTES} bytes, and at least ${VOLUME_BYTES_MIN}`,
    );
  return size;
}
