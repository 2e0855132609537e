import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { lastWords } from "./last-words.js";
import { LOG_BYTES_MAX } from "./limits.js";
import { sendLog } from "./log-lines.js";
import { boundLog, logLength, olderLog } from "./logs.js";

const LINE_BYTES = 64;
const FULL = LOG_BYTES_MAX / LINE_BYTES;

function lines(from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i++) text += `${String(i).padStart(LINE_BYTES - 1)}\n`;
  return text;
}

async function sent(path: string): Promise<string> {
  let text = "";
  const send = ({ line = "" }: { line?: string }) => ((text += `${line}\n`), true);
  await sendLog(path, { send, signal: new AbortController().signal });
  return text;
}

t.test("a log that is too long is cut: its newest lines stay, and its process writes on", async (t) => {
  const path = join(t.testdir(), "log");
  boundLog(path);
  t.equal(logLength(path), 0, "there is none yet");
  const process = openSync(path, "a");
  t.teardown(() => closeSync(process));
  writeSync(process, lines(0, FULL));
  boundLog(path);
  t.equal(logLength(path), LOG_BYTES_MAX, "it may be as long");
  for (let end = FULL; end < 3 * FULL; end += FULL) {
    writeSync(process, lines(end, ++end));
    boundLog(path);
    t.equal(logLength(path), 0);
    t.ok(readFileSync(olderLog(path), "utf8") === lines(end - FULL, end));
    writeSync(process, lines(end, end + FULL));
    t.ok((await sent(path)) === lines(end - FULL, end + FULL), "all are sent");
  }
});

t.test("why a process ended is found in a log that was cut since it began", (t) => {
  const path = join(t.testdir(), "log");
  writeFileSync(path, lines(0, FULL));
  const from = logLength(path);
  writeFileSync(path, `{"level":60,"msg":"out of order"}\n`);
  t.equal(lastWords(path, from), "out of order");
  t.end();
});
