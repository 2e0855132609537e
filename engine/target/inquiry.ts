/** Standard INQUIRY data (SPC-4: initiators in use know no later VERSION, SPC-5 adds nothing that matters here). */
import { PRODUCT, REVISION, VENDOR } from "./identity.js";

const LENGTH = 96;
const SPC_4 = 0x06;

/** Standards that the disk claims, by their version descriptors without a revision. */
const VERSION_DESCRIPTORS = [
  0x00a0, // SAM-5
  0x0960, // iSCSI
  0x0460, // SPC-4
  0x04c0, // SBC-3
];

/** Peripheral qualifier and device type: a disk that is there, and (011b, 1Fh) a unit that cannot be. */
export const PERIPHERAL = { DISK: 0x00, NOT_SUPPORTED: 0x7f } as const;

/** @param peripheral byte 0: other logical units answer too, saying that nothing is there */
export function standardInquiry(peripheral: number): Buffer {
  const bytes = Buffer.alloc(LENGTH);
  bytes.writeUInt8(peripheral, 0);
  bytes.writeUInt8(SPC_4, 2);
  bytes.writeUInt8(0x12, 3); // HISUP, response data format 2
  bytes.writeUInt8(LENGTH - 5, 4);
  bytes.writeUInt8(0x02, 7); // CMDQUE
  bytes.write(VENDOR, 8, "latin1");
  bytes.write(PRODUCT, 16, "latin1");
  bytes.write(REVISION, 32, "latin1");
  VERSION_DESCRIPTORS.forEach((descriptor, index) => bytes.writeUInt16BE(descriptor, 58 + 2 * index));
  return bytes;
}
