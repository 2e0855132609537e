/** `test/run`: runs phases in two lanes; ends with one line of totals and an exit status. */
import { mkdirSync } from "node:fs";
import { endCommands, runCommand } from "./command.js";
import { countCases, sum, summaryLine, type Count } from "./count.js";
import { failuresIn } from "./failures.js";
import { lanesOf } from "./lanes.js";
import { phases, type Phase } from "./phases.js";

/** By phase, of those that failed: told once more at the end, which a log that is cut keeps. */
const failures = new Map<string, string[]>();

const LOG_DIR = "dist/test-logs";

async function runPhase(phase: Phase): Promise<Count> {
  const logPath = `${LOG_DIR}/${phase.name}.log`;
  const started = Date.now();
  const result = await runCommand(phase.command, { timeoutMs: phase.timeoutMs, logPath, env: process.env });
  const count = countCases(phase.count, result.output, result.exitCode);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (count.failed > 0) {
    console.log(result.output);
    failures.set(phase.name, failuresIn(result.output));
    if (result.timedOut) console.log(`${phase.name}: not done after ${phase.timeoutMs / 1000} s`);
  }
  const verdict = phase.count === "check" ? (count.failed > 0 ? "failed" : "ok") : summaryLine(count);
  console.log(`${phase.name.padEnd(12)} ${verdict} (${seconds} s)`);
  return count;
}

function select(names: string[]): Phase[] {
  const unknown = names.filter((name) => !phases.some((phase) => phase.name === name));
  if (unknown.length > 0) {
    console.error(
      `no such phase: ${unknown.join(", ")}; there are ${phases.map(({ name }) => name).join(", ")}`,
    );
    process.exit(2);
  }
  return phases.filter((phase) =>
    names.length === 0 ? phase.onRequest !== true : names.includes(phase.name),
  );
}

const args = process.argv.slice(2);
if (args.includes("--list")) {
  for (const { name, about } of phases) console.log(`${name.padEnd(12)} ${about}`);
  process.exit(0);
}
mkdirSync(LOG_DIR, { recursive: true });
const counts: Count[] = [];
let interrupted = false as boolean; // TypeScript does not see the signal set it
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    interrupted = true;
    void endCommands().then(() => process.exit(130));
  });

async function runLane(lane: Phase[]): Promise<void> {
  for (const phase of lane) if (!interrupted) counts.push(await runPhase(phase));
}

await Promise.all(lanesOf(select(args)).map(runLane));
for (const [name, lines] of failures) console.log([`${name} failed:`, ...lines].join("\n  "));
const total = sum(counts);
console.log(summaryLine(total));
process.exitCode = total.failed > 0 ? 1 : 0;
