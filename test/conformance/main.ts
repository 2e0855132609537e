/**
 * libiscsi's conformance suite, each test alone and then all in one process, against a volume of our own or, as
 * `main.js [--only REGEX] URL`, against any target. The target's data are destroyed.
 */
import { summaryLine } from "../runner/count.js";
import { readArguments } from "../tools/command-line.js";
import { withVolume } from "../tools/volume.js";
import { expectedSkip, expectedSkips } from "./expected-skips.js";
import type { CaseResult } from "./cunit.js";
import { listCases, runAlone, runTogether } from "./suite.js";

const VOLUME_SIZE = "1GiB";
const USAGE = "usage: node dist/test/conformance/main.js [--only REGEX] [URL]";

async function conform(url: string, only: RegExp): Promise<void> {
  const names = (await listCases()).filter((name) => only.test(name));
  const alone: CaseResult[] = [];
  for (const name of names) alone.push(await runAlone(name, url));
  const together = await runTogether(names, url);

  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [how, results] of [
    ["alone", alone],
    ["together", together],
  ] as const) {
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const result of results) count[judge(result, how)]++;
    console.log(
      `${how}: ${count.passed} passed, ${count.failed} failed or unexpected, ${count.skipped} skipped as listed`,
    );
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
  }
  for (const { test, reason } of expectedSkips) console.log(`not offered: ${test}: ${reason}`);
  console.log(summaryLine(total));
  process.exitCode = total.failed > 0 ? 1 : 0;
}

/** An unlisted skip is a failure, and so is a listed one that passes: the list would no longer be true. */
function judge({ name, outcome, detail }: CaseResult, how: string): CaseResult["outcome"] {
  const listed = expectedSkip(name);
  if (outcome === "passed" && listed === undefined) return "passed";
  if (listed !== undefined && outcome === (listed.outcome ?? "skipped")) return "skipped";
  const expected =
    listed === undefined ? "to pass" : `to be ${listed.outcome ?? "skipped"} (${listed.reason})`;
  console.log(
    `${name} (${how}): ${outcome}, expected ${expected}\n    ${detail.split("\n").slice(0, 12).join("\n    ")}`,
  );
  return "failed";
}

const { values, positionals } = readArguments(USAGE, {
  allowPositionals: true,
  options: { only: { type: "string", default: "" } },
});
const only = new RegExp(values.only);
const [url] = positionals;
if (url === undefined) await withVolume({ size: VOLUME_SIZE }, (volume) => conform(volume.url, only));
else await conform(url, only);
