import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { countCases } from "./count.js";

const program = fileURLToPath(new URL("files.js", import.meta.url));

const start = 'import t from "tap";\n';
const FILES: Record<string, string> = {
  "passes.js": `${start}t.test("one", async (t) => t.ok(true)); t.test("two", async (t) => t.ok(true));`,
  "fails.js": `${start}t.test("good", async (t) => t.ok(true)); t.test("bad", async (t) => t.ok(false));`,
  "dies.js": 'process.kill(process.pid, "SIGKILL");',
  "is-silent.js": "",
  "hangs.js": `${start}setInterval(() => {}, 1000); t.test("fine", async (t) => t.ok(true));`,
  "leaves-something.js": `${start}import { spawn } from "node:child_process"; t.test("left", async (t) => { t.ok(true); spawn("sleep", ["20"], { detached: true, stdio: ["ignore", "inherit", "ignore"] }).unref(); });`,
  "asks-for-time.js": `${start}t.setTimeout(60_000); t.test("slow", (t) => setTimeout(() => t.end(), 2500));`,
};

t.test(
  "what passes, fails, dies, ends early, hangs and leaves something is told apart and counted; each has its time",
  async (t) => {
    const folder = t.testdir(FILES);
    const names = Object.keys(FILES);
    const { code, out } = await new Promise<{ code: unknown; out: string }>((resolve) =>
      execFile(
        process.execPath,
        [program, "3", "2", ...names.map((name) => join(folder, name))],
        (error, out) => resolve({ code: error?.code ?? 0, out }),
      ),
    );
    t.equal(code, 1);
    const failed = (name: string) => new RegExp(`^not ok ${names.indexOf(name) + 1} - .*/${name} #`, "m");
    for (const name of ["fails.js", "dies.js", "is-silent.js", "hangs.js", "leaves-something.js"])
      t.match(out, failed(name));
    for (const name of ["passes.js", "asks-for-time.js"]) t.notMatch(out, failed(name));
    t.same(countCases("tap", out, 1), { passed: 6, failed: 5, skipped: 0 });
  },
);
