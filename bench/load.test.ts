/** The load generator and the harness against a real target (Debian's tgt). */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import t from "tap";
import { buildGenerator, load, prefill, type LoadRequest } from "./load.js";
import { PATTERNS, type Pattern } from "./patterns.js";
import { measureWithLoad } from "./setup.js";
import { tgtd } from "./setups/tgtd.js";

const MIB = 2 ** 20;
const never = new AbortController().signal;
const pattern = (name: string): Pattern => {
  const found = PATTERNS.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};
const request = (name: string, more?: Partial<LoadRequest>): LoadRequest => ({
  ...{ pattern: pattern(name), range: 16 * MIB, seconds: 0.3, warmup: 0.05, seed: 1, processes: [] },
  ...more,
});

t.before(() => buildGenerator(never));

t.test("tgtd is filled, measured and verified, and leaves nothing behind", async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/aurochs-load-test-`);
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const setup = await tgtd.start({ directory: `${directory}/tgtd`, size: 16 * MIB }, never);
  try {
    await prefill(setup.access, 16 * MIB, never);
    for (const name of ["randwrite-4k-d32", "seqread-1m-d8", "writeflush-4k-d1"]) {
      const sample = await measureWithLoad(setup, request(name), never);
      t.ok(sample.iops > 0, name);
      t.ok(sample.latencyUs.p50 > 0 && sample.latencyUs.p50 <= sample.latencyUs.max, name);
      t.ok((sample.cpuUs["tgtd"] ?? 0) > 0, name);
    }
    const verified = await load(setup.access, request("mixed-4k-d32", { verify: true }), never);
    t.equal(verified.errors, 0);
    t.ok(verified.verifiedBytes > 0);
    await t.rejects(
      load(setup.access, request("randread-4k-d1", { range: 32 * MIB }), never),
      /only 16777216 bytes/,
    );
  } finally {
    await setup.stop();
  }
  t.same(await readdir(directory), []);
  await t.rejects(load(setup.access, request("randread-4k-d1"), never), /aurochs-load ended with 1/);
});

t.test("a file is driven directly", async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/aurochs-load-test-`);
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const file = `${directory}/disk`;
  await writeFile(file, Buffer.alloc(16 * MIB));
  const result = await load({ file, buffered: true }, request("mixed-4k-d32", { verify: true }), never);
  t.ok(result.operations > 0);
  t.ok(result.verifiedBytes > 0);
});

t.test("an interrupted comparison stops what it started and removes its files", async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/aurochs-load-test-`);
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const compare = fileURLToPath(new URL("compare.js", import.meta.url));
  const child = spawn(
    process.execPath,
    [
      compare,
      "--target",
      "tgtd",
      "--size",
      "16MiB",
      "--directory",
      directory,
      "--rounds",
      "100",
      "--seconds",
      "0.3",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let progress = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    progress += chunk;
    if (progress.includes("round 1/100")) child.kill("SIGINT");
  });
  await once(child, "close");
  t.equal(child.exitCode, 130, progress);
  t.same(await readdir(directory), []);
});
