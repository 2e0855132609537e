/**
 * Runs test files, each in a process of its own, and prints their TAP as one: `node dist/test/runner/files.js JOBS SECONDS FILE...`.
 * tap's own runner loads more into each process, and into every Node that a test starts, than most tests take.
 */
import { spawn } from "node:child_process";

const [jobs = "1", seconds = "30", ...files] = process.argv.slice(2);
/** How long a process may take to tell what it waits for. */
const GRACE_MS = 5_000;

interface Ended {
  output: string;
  /** null: its tests passed */
  failure: string | null;
}

/** A test file ends at its limit by itself, unless something else holds it. Tests that need longer say so by a message of tap's. */
function runFile(file: string, limitMs: number): Promise<Ended> {
  const child = spawn(process.execPath, ["--enable-source-maps", file], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    env: { ...process.env, TAP_TIMEOUT: String(limitMs / 1000) },
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));

  const end = (afterMs: number) =>
    setTimeout(() => {
      // On which tap says what it still waits for.
      child.kill("SIGALRM");
      timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    }, afterMs + GRACE_MS);
  let timer = end(limitMs);
  child.on("message", (message: { setTimeout?: number }) => {
    if (message.setTimeout === undefined) return;
    clearTimeout(timer);
    timer = end(message.setTimeout);
  });

  return new Promise((resolve) => {
    let isHeld = false;
    child.once("exit", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        isHeld = true;
        child.stdout?.destroy();
      }, GRACE_MS);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      // One that ends before it has said how many tests it has did not run them all.
      const planned = /^1\.\.\d+/m.test(output);
      const failure =
        code === 0 && planned ? null : (signal ?? (code === 0 ? "no plan" : `exit code ${code}`));
      resolve({ output, failure: isHeld ? "what it has started goes on, and holds its output" : failure });
    });
  });
}

let next = 0;
const failures: string[] = [];

async function runNext(): Promise<void> {
  for (let number = ++next; number <= files.length; number = ++next) {
    const file = files[number - 1] ?? "";
    const started = Date.now();
    const { output, failure } = await runFile(file, Number(seconds) * 1000);
    if (failure !== null) failures.push(file);
    const result = `${failure === null ? "ok" : "not ok"} ${number} - ${file}`;
    const comment = `# time=${Date.now() - started}ms${failure === null ? "" : `, ${failure}`}`;
    process.stdout.write(`# Subtest: ${file}\n${output.replace(/^(?=.)/gm, "    ")}${result} ${comment}\n\n`);
  }
}

console.log("TAP version 14");
await Promise.all(Array.from({ length: Number(jobs) }, runNext));
console.log(`1..${files.length}`);
process.exitCode = failures.length > 0 ? 1 : 0;
