/** Some of the power cuts of `test/workloads/run`, and the proof that they would find a lost flush. */
import t from "tap";
import { run } from "../tools/process.js";

/** Ends with this process, whatever becomes of it. */
function matrix(args: string[]): Promise<string> {
  return run("setpriv", ["--pdeathsig", "KILL", "test/workloads/run", ...args]).catch(
    (error: unknown) => (error as Error).message,
  );
}

/** A few cells that together have each database, file system and scope. */
const cells = [
  { db: "sqlite-wal", fs: "xfs", scope: "all", cuts: 4 },
  { db: "sqlite-delete", fs: "ext4", scope: "one", cuts: 3 },
  { db: "postgres", fs: "ext4", scope: "all", cuts: 3 },
  { db: "postgres", fs: "xfs", scope: "processes", cuts: 3 },
] as const;

for (const [seed, { db, fs, scope, cuts }] of cells.entries()) {
  t.test(`${db} on ${fs}, ${scope}: what was acknowledged is there`, async (t) => {
    const cell = ["--db", db, "--fs", fs, "--scope", scope, "--cuts", String(cuts), "--seed", String(seed)];
    const output = await matrix(cell);
    t.match(output, "1 passed, 0 failed");
    t.comment(output.split("\n")[1] ?? "");
  });
}

t.test("negative control: without the flush path the same cuts lose transactions", async (t) => {
  const cell = ["--db", "sqlite-wal", "--fs", "ext4", "--scope", "all", "--cuts", "10", "--seed", "1"];
  const output = await matrix([...cell, "--without-flush"]);
  t.match(output, "1 passed, 0 failed");
  t.comment(output.slice(0, 600));
});
