/** How a data-plane operation ended: the one table between names (as in `native/index.ts`) and wire numbers. */
import { aurochs } from "./generated/dataplane.js";

const wire = aurochs.dataplane.v1.Status;

export const STATUS_NUMBER = {
  OK: wire.STATUS_OK,
  IO_ERROR: wire.STATUS_IO_ERROR,
  NO_SPACE: wire.STATUS_NO_SPACE,
  OUT_OF_RANGE: wire.STATUS_OUT_OF_RANGE,
  CHECKSUM_MISMATCH: wire.STATUS_CHECKSUM_MISMATCH,
  FENCED: wire.STATUS_FENCED,
  INVALID: wire.STATUS_INVALID,
  NOT_OPEN: wire.STATUS_NOT_OPEN,
} as const;

export type WireStatus = keyof typeof STATUS_NUMBER;

const nameOfNumber = new Map<number, WireStatus>(
  (Object.entries(STATUS_NUMBER) as [WireStatus, number][]).map(([name, number]) => [number, name]),
);

/** The name of a number from the wire; null when the peer knows a status that we do not. */
export function statusName(number: number): WireStatus | null {
  return nameOfNumber.get(number) ?? null;
}
