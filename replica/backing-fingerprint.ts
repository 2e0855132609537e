/**
 * By which copies of a volume are told apart that lie on different images. It is made of what the image holds as the volume sees it, so that it is
 * the same of a raw image and of a qcow2 one with the same content, wherever each node has it, and whatever zeros follow at its end. Only
 * samples are looked at, since a start waits for it: the beginning (partition table, the first file system with its UUID), and a block of each
 * 64 MiB. So different ones differ; the same one does not tell that all is the same.
 */
import { createHash } from "node:crypto";
import type { Layer } from "../native/index.js";
import { LayerFile } from "./layer-file.js";
import { FINGERPRINT_HEAD_BYTES, FINGERPRINT_SAMPLES_MAX, FINGERPRINT_STEP_BYTES } from "./limits.js";

const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Of a copy that lies on no image. */
export const NO_BACKING = "none";

/** @throws {ReplicaError | Error} it cannot be read */
export async function backingFingerprint(image: Layer): Promise<string> {
  const file = await LayerFile.open(image);
  try {
    const hash = createHash("sha256");
    await sample(file, 0, FINGERPRINT_HEAD_BYTES, hash);
    for (let i = 1; i <= FINGERPRINT_SAMPLES_MAX; i++)
      await sample(file, i * FINGERPRINT_STEP_BYTES, BLOCK_BYTES, hash);
    return hash.digest("hex").slice(0, 32);
  } finally {
    await file.close();
  }
}

// Zeros do not count: whether they are there, left out, or behind the end is the image's own affair.
async function sample(file: LayerFile, begin: number, length: number, hash: ReturnType<typeof createHash>) {
  const end = begin + length;
  const content = Buffer.alloc(length);
  for (const run of await file.runs(begin, end)) {
    const [offset, bytes] = run;
    const [from, to] = [Math.max(offset, begin), Math.min(offset + bytes, end)];
    (await file.read(run, from - offset, to - from)).copy(content, from - begin);
  }
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const block = content.subarray(at, at + BLOCK_BYTES);
    if (!block.equals(ZEROS)) hash.update(`${begin + at} `).update(block);
  }
}
