import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { createIfEmpty } from "../create.js";
import { scratch } from "../scratch.js";
import { openMergedSource } from "./merged-source.js";

const SIZE = 4 << 20;

t.test("what a compressed backing image holds is sent with what lies above it", async (t) => {
  const path = scratch(t);
  const [raw, image, directory] = [join(path, "raw"), join(path, "image"), join(path, "replica")];
  const content = Buffer.alloc(SIZE);
  content.fill("compressible", 0, 1_500_000);
  randomBytes(300_000).copy(content, 2_000_000);
  content.fill("the end", SIZE - 1000);
  writeFileSync(raw, content.subarray(0, SIZE - 512));
  for (const cluster of ["4k", "64k", "2M"]) {
    const options = ["-c", "-o", `cluster_size=${cluster}`];
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...options, raw, image]);
    const replica = `${directory}-${cluster}`;
    mkdirSync(replica);
    await createIfEmpty(replica, { size: SIZE, backingFile: image });
    const source = await openMergedSource(replica, "volume-head-000.img", { file: null });
    const found = Buffer.alloc(SIZE);
    for await (const piece of source.pieces())
      if (piece.kind === "data") (await piece.read()).copy(found, piece.offset);
    await source.close();
    t.ok(found.subarray(0, SIZE - 512).equals(content.subarray(0, SIZE - 512)), cluster);
    t.ok(found.subarray(SIZE - 512).equals(Buffer.alloc(512)), `${cluster}: behind its end`);
  }
});
