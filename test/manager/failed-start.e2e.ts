/** A machine without open-iscsi: whoever wants a block device there is told why he does not get it. */
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import t from "tap";
import { explain } from "../../cli/manage/explain/explain.js";
import { System } from "./system.js";

const programs = mkdtempSync(join(tmpdir(), "aurochs-programs-"));
for (const folder of process.env["PATH"]?.split(delimiter) ?? [])
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (name !== "iscsiadm" && !existsSync(join(programs, name)))
      symlinkSync(join(folder, name), join(programs, name));
const system = await System.start(1, { ...process.env, PATH: programs });
t.teardown(async () => {
  await system.end(); // it needs them until then
  rmSync(programs, { recursive: true });
});
const { manager } = system;

t.test("an engine that cannot be started says why, and the volume is free again", async (t) => {
  await manager.create("volumes", { name: "data", size: String(64 << 20), numberOfReplicas: 1, frontend: "blockdev" }); // prettier-ignore
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
  await manager.act("volumes", "data", "attach", { hostId: "node-1", attachmentID: "test" });
  const why = /^data-e-0 cannot be started: exit status 1: .*iscsiadm is not installed/;
  await system.until(
    "the reason to be told",
    async () =>
    (await manager.list("events")).some(({ event }) => event.reason === "FailedStarting" && why.test(event.message)), // prettier-ignore
  );
  const volume = await system.untilVolume("data", "attaching", ({ state }) => state === "attaching");
  const facts = { volume, nodes: await manager.list("nodes"), events: await manager.list("events") };
  const { findings } = explain({
    ...facts,
    settings: new Map(),
    source: null,
    unfinishedCopies: [],
    unknownJobs: [],
    now: Date.now(),
  });
  t.match(findings, [{ evidence: [why], next: [/Install open-iscsi/, /tried again/] }]);
  await manager.act("volumes", "data", "detach", { attachmentID: "test" });
  await system.untilVolume("data", "detached", ({ state }) => state === "detached");
});
