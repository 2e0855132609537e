import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, openSync, closeSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { backingFingerprint } from "./backing-fingerprint.js";
import { backingLayer } from "./backing-file.js";
import { scratch } from "./scratch.js";

const MIB = 1 << 20;
const VOLUME_BYTES = 256 * MIB;

t.test("an image is told by its content, whatever its format, and whatever zeros follow", async (t) => {
  const path = scratch(t);
  const at = (name: string) => join(path, name);
  const put = (name: string, offset: number, data: Buffer) => {
    const file = openSync(at(name), "a+");
    closeSync(file);
    const writable = openSync(at(name), "r+");
    writeSync(writable, data, 0, data.length, offset);
    closeSync(writable);
  };
  const fingerprint = async (name: string) => backingFingerprint(await backingLayer(at(name), VOLUME_BYTES));
  put("raw", 0, randomBytes(MIB));
  put("raw", 60 * MIB, Buffer.alloc(10 * MIB, "compressible"));
  put("raw", 130 * MIB, randomBytes(4096));
  const own = await fingerprint("raw");
  t.match(own, /^[0-9a-f]{32}$/);

  for (const options of [[], ["-c"], ["-c", "-o", "cluster_size=2M"], ["-o", "cluster_size=4k"]]) {
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...options, at("raw"), at("qcow2")]);
    t.equal(await fingerprint("qcow2"), own, `qcow2 ${options.join(" ")}`);
  }
  copyFileSync(at("raw"), at("longer"));
  truncateSync(at("longer"), 200 * MIB);
  t.equal(await fingerprint("longer"), own, "zeros at its end");
  put("longer", 100 * MIB, Buffer.alloc(4096));
  t.equal(await fingerprint("longer"), own, "zeros that are written");

  for (const offset of [0, MIB, 2 * MIB - 1, 64 * MIB, 64 * MIB + 4095, 128 * MIB]) {
    copyFileSync(at("raw"), at("other"));
    put("other", offset, Buffer.from("x"));
    t.not(await fingerprint("other"), own, `another byte at ${offset}`);
  }
  put("other", 128 * MIB, Buffer.alloc(1));
  t.equal(await fingerprint("other"), own, "the same again");
});
