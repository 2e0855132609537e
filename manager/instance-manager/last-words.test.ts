import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import t from "tap";
import { lastWords } from "./last-words.js";
import { LAST_WORDS_LENGTH_MAX, LOG_END_BYTES } from "./limits.js";
import { logLength } from "./logs.js";

const NOT_INSTALLED = new Error("iscsiadm is not installed");

t.test("the last fatal line says why", async (t) => {
  const path = join(t.testdir(), "log");
  t.equal(lastWords(path, logLength(path)), "", "there is no log yet");
  const log = pino({}, pino.destination({ dest: path, sync: true }));
  log.fatal({ err: new Error("before") }, "the volume cannot be served");
  const from = logLength(path);
  log.error({ err: new Error("it goes on") }, "no matter");
  t.equal(lastWords(path, from), "", "another process said it");
  log.fatal({ err: NOT_INSTALLED }, "the volume cannot be served");
  log.info({}, "the rest is no reason");
  t.equal(lastWords(path, from), "iscsiadm is not installed");
  log.fatal({ reason: "fenced by\nanother" }, "another engine has taken over");
  t.equal(lastWords(path, from), "fenced by another");
  log.fatal({}, "out of order");
  t.equal(lastWords(path, from), "out of order");
  appendFileSync(
    path,
    `time="now" level=fatal msg="Error running controller command" error="no \\"size\\""\n`,
  );
  t.equal(lastWords(path, from), 'no "size"');
});

t.test("not more is read, or told, than there is room for", async (t) => {
  const path = join(t.testdir(), "log");
  const long = "x".repeat(2 * LAST_WORDS_LENGTH_MAX);
  writeFileSync(path, `${"{".repeat(LOG_END_BYTES)}\n${JSON.stringify({ level: 60, msg: long })}\n`);
  t.equal(lastWords(path, 0), long.slice(0, LAST_WORDS_LENGTH_MAX));
  appendFileSync(path, "y".repeat(LOG_END_BYTES));
  t.equal(lastWords(path, 0), "");
});
