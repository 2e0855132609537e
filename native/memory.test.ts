/** Memory that JavaScript has used and given back is the system's again: boards share theirs with what runs beside us. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";

const MIB = 1 << 20;

// In a process of its own: what others have allocated before decides where malloc takes memory from.
const program = `
  import { createHash } from "node:crypto";
  import { readFileSync } from "node:fs";
  import { open } from "node:fs/promises";
  import { setTimeout as sleep } from "node:timers/promises";
  import ${JSON.stringify(new URL("index.js", import.meta.url).href)};
  const privateBytes = () => {
    const kibibytes = readFileSync("/proc/self/smaps_rollup", "latin1").matchAll(/^Private_.*?(\\d+) kB$/gm);
    return [...kibibytes].reduce((sum, [, amount]) => sum + 1024 * Number(amount), 0);
  };
  const file = await open("/dev/zero");
  const before = privateBytes();
  for (let times = 0; times < 64; times++) {
    const { buffer } = await file.read(Buffer.allocUnsafe(${2 * MIB}));
    createHash("sha512").update(buffer).digest();
  }
  // What is collected is freed by another thread, soon.
  for (let looks = 0; looks < 100 && privateBytes() - before > ${6 * MIB}; looks++) {
    gc();
    await sleep(50);
  }
  console.log(privateBytes() - before);`;

t.test("large buffers that were collected leave nothing behind", async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    "--input-type=module",
    "--eval",
    program,
  ]);
  t.ok(Number(stdout) <= 6 * MIB, `${stdout.trim()} bytes more than before`);
});
