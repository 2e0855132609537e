/** The phases of the test suite, in the order they run (`lanes.ts`): cheap and telling ones first. */
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { CountStyle } from "./count.js";

export interface Phase {
  name: string;
  about: string;
  command: readonly [string, ...string[]];
  count: CountStyle;
  timeoutMs: number;
  /** computes, and waits for nothing: it runs beside the others, in what they leave of the processors */
  aside?: true;
  /** only runs when it is named: it needs minutes of downloads and compiling */
  onRequest?: true;
}

// Timeouts end what hangs; they leave room for a machine that is busy with something else as well.
// `test/sanitized/run` sets SLOWNESS and the preset: everything takes longer there.
const SLOWNESS = Number(process.env["AUROCHS_SLOWNESS"] ?? 1);
const MINUTE_MS = 60_000 * SLOWNESS;
const nativePreset = process.env["AUROCHS_NATIVE_PRESET"] ?? "release";

/** @param seconds for one file, unless it asks for more */
function testFiles(jobs: number, seconds: number, files: string[]): [string, ...string[]] {
  return ["node", "dist/test/runner/files.js", String(jobs), String(seconds * SLOWNESS), ...files];
}

/** Tests named `*.e2e.ts` start whole processes and want the machine to themselves: one file after another. */
function endToEnd(folder: string, about: string, minutes: number): Phase {
  return {
    name: folder,
    about,
    command: testFiles(1, minutes * 60, filesUnder(`test/${folder}`, ".e2e.ts")),
    count: "tap",
    timeoutMs: minutes * MINUTE_MS,
  };
}

/** Compiled counterparts of the sources: a test whose source is gone must not run. */
function filesUnder(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending) && !path.includes("node_modules"))
    .map((path) => `dist/${folder}/${path.replace(/\.ts$/, ".js")}`)
    .sort();
}

const SOURCES = [
  "proto",
  "native",
  "replica",
  "engine",
  "manager",
  "rest-client",
  "csi",
  "cli",
  "bench",
  "test",
];

/** Tests that lie beside what they test, several files at a time. */
function besideSources(ending: string, seconds: number): [string, ...string[]] {
  const files = SOURCES.flatMap((folder) => filesUnder(folder, ending));
  // Some wait more than they work.
  return testFiles(availableParallelism() + 1, seconds, files);
}

const unitTests = besideSources(".test.ts", 120);

export const phases: Phase[] = [
  {
    name: "format",
    about: "prettier and clang-format",
    aside: true,
    command: ["npm", "run", "-s", "format:check"],
    count: "check",
    timeoutMs: 4 * MINUTE_MS,
  },
  {
    name: "lint",
    about: "eslint",
    aside: true,
    command: ["npm", "run", "-s", "lint"],
    count: "check",
    timeoutMs: 6 * MINUTE_MS,
  },
  {
    name: "types",
    about: "tsc",
    command: ["node", "node_modules/.bin/tsc", "-p", ".", "--noEmit"],
    count: "check",
    timeoutMs: 4 * MINUTE_MS,
  },
  {
    name: "load",
    about: "C++ unit tests of the load generator",
    // Not aside: `unit`, `engine` and `agreement` use what it builds.
    command: [
      "sh",
      "-c",
      "cmake -S bench/load -B native/build/load -G Ninja -DAUROCHS_LOAD_TESTS=ON && cmake --build native/build/load && native/build/load/load_tests",
    ],
    count: "gtest",
    timeoutMs: 8 * MINUTE_MS,
  },
  {
    name: "native",
    about: "C++ unit tests",
    aside: true,
    // On the objects that ship: they need not be compiled once more.
    command: [
      "sh",
      "-c",
      `cmake --preset ${nativePreset} -S native -DAUROCHS_TESTS=ON && cmake --build native/build/${nativePreset} --target unit_tests && native/build/${nativePreset}/unit_tests`,
    ],
    count: "gtest",
    timeoutMs: 16 * MINUTE_MS,
  },
  {
    name: "fuzz",
    about: "the fuzz targets for seconds each, under ASan and UBSan",
    aside: true,
    command: ["native/fuzz/run"],
    count: "summary",
    timeoutMs: 16 * MINUTE_MS,
  },
  {
    name: "unit",
    about: "TypeScript unit tests",
    command: unitTests,
    count: "tap",
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "models",
    about: "searches of all that engines, replicas and a witness can come to (`*.model.ts`)",
    aside: true,
    command: besideSources(".model.ts", 1200),
    count: "tap",
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "sim",
    about: "engine and replicas in a simulated world that fails, by seeds",
    aside: true,
    command: ["node", "--import", "./dist/test/sim/register.js", "dist/test/sim/suite.js"],
    count: "summary",
    timeoutMs: 8 * MINUTE_MS,
  },
  {
    name: "unit-lts",
    about: "the unit tests under the newest LTS of Node",
    command: ["test/with-node-lts", ...unitTests],
    count: "tap",
    timeoutMs: 12 * MINUTE_MS,
  },
  {
    name: "conformance",
    about: "libiscsi's test suite against our target",
    command: ["node", "dist/test/conformance/main.js"],
    count: "summary",
    timeoutMs: 16 * MINUTE_MS,
  },
  {
    name: "aarch64",
    about: "cross build, and the C++ unit tests under emulation with 4, 16 and 64 KiB pages",
    aside: true,
    command: ["test/aarch64/run"],
    count: "gtest",
    timeoutMs: 40 * MINUTE_MS,
  },
  endToEnd("engine", "replicas and engines that die, hang, fill up, come back, are added and replaced", 30),
  endToEnd(
    "instance-manager",
    "engines and replicas outlive their agent, and what crashes is back at once",
    8,
  ),
  endToEnd(
    "manager",
    "snapshots, copies of volumes and leftovers on a system of two nodes, whose manager is killed meanwhile",
    8,
  ),
  endToEnd(
    "cluster",
    "nodes that are restarted, unplugged and full, managers and agents that are killed, under load",
    28,
  ),
  endToEnd(
    "csi",
    "Kubernetes' tests of CSI drivers, and calls that are cut off, on a system of two nodes",
    12,
  ),
  endToEnd("bad-input", "what is wrong on the wire or in a directory is refused, named, and harms nobody", 8),
  endToEnd("agreement", "copies are equal after overlapping writers and crashes", 4),
  endToEnd("powercut", "what was flushed survives a power cut", 6),
  {
    name: "faults",
    about:
      "the fault rig's quick scenarios: hosts that die, hang, lose each other, and every operation's history judged",
    command: ["test/faults/run", "--quick"],
    count: "summary",
    timeoutMs: 8 * MINUTE_MS,
  },
  {
    name: "soak",
    about: "a volume under load and faults for a minute, every block of each copy verified after each",
    command: ["test/faults/run", "soak", "--minutes", "0.7", "--every", "3"],
    count: "summary",
    timeoutMs: 6 * MINUTE_MS,
  },
  endToEnd("workloads", "databases on file systems on a volume", 6),
  endToEnd("vm", "a real kernel initiator in a virtual machine", 15),
  {
    name: "docker",
    about: "the Dockerfile's steps in clean Debian roots (only when named)",
    command: ["test/docker-steps"],
    count: "summary",
    timeoutMs: 40 * MINUTE_MS,
    onRequest: true,
  },
];
