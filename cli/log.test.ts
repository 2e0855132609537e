import { pino } from "pino";
import t from "tap";
import { withLevel } from "./log.js";

t.test("another level counts for children that there are, and for theirs", async (t) => {
  const lines: string[] = [];
  const level = { level: "info" as const as "info" | "debug" | "error" | "silent" };
  const log = pino(withLevel(level), { write: (line: string) => void lines.push(line) });
  const child = log.child({ of: "log" }).child({ of: "child" });
  const written = () => {
    lines.length = 0;
    child.debug("debug");
    child.info("info");
    log.error("error");
    return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  };
  t.strictSame(written(), ["info", "error"]);
  level.level = "debug";
  t.strictSame(written(), ["debug", "info", "error"]);
  level.level = "error";
  t.strictSame(written(), ["error"]);
  level.level = "silent";
  t.strictSame(written(), []);
});
