/** Runs tests of `iscsi-test-cu` against one logical unit. All of them write to it. */
import { spawn } from "node:child_process";
import { parseList, parseResults, type CaseResult } from "./cunit.js";

/** The slowest test (many zero-length WRITE SAMEs) takes about 30 s on a slow target. */
const CASE_TIMEOUT_MS = 60_000;
const WHOLE_TIMEOUT_MS = 180_000;

/** Tests that check a variable which only the test before them sets: alone they fail on any target, tgt included. */
const NEEDS_ITS_SUITE: ReadonlySet<string> = new Set(["iSCSITMF.LUNResetSimpleAsync"]);

export async function listCases(): Promise<string[]> {
  return parseList(await run(["--list"], CASE_TIMEOUT_MS));
}

/** One test in a process, and so in sessions, of its own. */
export async function runAlone(name: string, url: string): Promise<CaseResult> {
  const test = NEEDS_ITS_SUITE.has(name) ? name.slice(0, name.indexOf(".")) : name;
  const output = await run(options(url, `ALL.${test}`), CASE_TIMEOUT_MS);
  return find(parseResults(output), name, output);
}

/** All tests one after another in one process, over the same sessions. */
export async function runTogether(names: string[], url: string): Promise<CaseResult[]> {
  const output = await run(options(url, "ALL"), WHOLE_TIMEOUT_MS);
  const results = parseResults(output);
  return names.map((name) =>
    find(results, name, `did not run; the last test that did: ${results.at(-1)?.name ?? "none"}`),
  );
}

function find(results: CaseResult[], name: string, otherwise: string): CaseResult {
  return results.find((result) => result.name === name) ?? { name, outcome: "failed", detail: otherwise };
}

/** The second URL is the same unit: the multipath tests reach it by two sessions. */
function options(url: string, test: string): string[] {
  return ["--dataloss", "--test", test, url, url];
}

async function run(args: string[], timeoutMs: number): Promise<string> {
  const child = spawn("iscsi-test-cu", args, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (_code, signal) => {
      if (signal !== null) output += `\niscsi-test-cu was ended by ${signal}\n`;
      resolve(output);
    });
  });
}
