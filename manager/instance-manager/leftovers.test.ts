import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import t, { type Test } from "tap";
import { exitsDirectory } from "./exit-file.js";
import { Instances } from "./instances.js";
import { EXIT_CODES_KEPT_MAX, LOGS_KEPT_MAX } from "./limits.js";

async function open(t: Test, directory: string): Promise<Instances> {
  const instances = await Instances.open({
    ...{ stateDirectory: directory, logsDirectory: join(directory, "logs"), bootId: "boot-1" },
    ...{ portRange: { first: 1, last: 1 }, longhorn: "/longhorn", replicaHost: ["false"] },
    log: pino({ level: "silent" }),
  });
  t.teardown(() => instances.stop());
  return instances;
}

/** One that says its name, and leaves an exit code. */
async function run(instances: Instances, name: string): Promise<void> {
  const args = ["-c", `echo ${name}; echo 0 > $AUROCHS_EXIT_FILE`];
  await (
    await instances.create({ name, binary: "/bin/sh", args, portCount: 0, portArgs: [] })
  ).over;
}

async function remove(instances: Instances, name: string): Promise<void> {
  await instances.delete(name, "");
  while (instances.list().some((one) => one.name === name)) await sleep(1);
}

t.test(
  "of instances that are gone the latest logs and exit codes are kept, of those that are there all",
  async (t) => {
    const directory = t.testdir();
    let instances = await open(t, directory);
    const logs = join(directory, "logs");
    await run(instances, "stays");
    await run(instances, "comes-back");
    await remove(instances, "comes-back");
    await run(instances, "comes-back");
    const uuids = ["stays", "comes-back"].map((name) => instances.get(name).record.uuid);
    const count = Math.max(LOGS_KEPT_MAX, EXIT_CODES_KEPT_MAX) + 3;
    for (let i = 0; i < count; i++) {
      await run(instances, `gone-${i}`);
      await remove(instances, `gone-${i}`);
      // Another agent goes on with what it finds.
      if (i === 50) instances = await open(t, directory);
    }
    const latest = Array.from({ length: LOGS_KEPT_MAX }, (_, i) => `gone-${count - 1 - i}.log`);
    t.strictSame(readdirSync(logs).sort(), [...latest, "stays.log", "comes-back.log"].sort());
    t.equal(readFileSync(join(logs, "comes-back.log"), "utf8"), "comes-back\n".repeat(2));
    const exits = exitsDirectory(directory);
    // The one that went last was still there when it was looked.
    t.equal(readdirSync(exits).length, EXIT_CODES_KEPT_MAX + uuids.length + 1);
    for (const uuid of uuids) t.ok(existsSync(join(exits, uuid)));
  },
);
