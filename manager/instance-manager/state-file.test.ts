import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import t from "tap";
import { Disks } from "./disks.js";
import { Records } from "./records.js";
import { ReplicaDaemon } from "./replica-daemon.js";

const log = pino({ level: "silent" });

/** What an agent reads at its start, and how. */
const FILES: Record<string, (directory: string) => Promise<unknown>> = {
  "disks.json": async (directory) => (await Disks.open(directory, () => false, log)).stop(),
  "replica-host.json": (directory) =>
    new ReplicaDaemon({
      ...{ command: ["false"], stateDirectory: directory, logsDirectory: directory, bootId: "boot-1" },
      ...{ onLost: () => undefined, log },
    }).adopt(),
  "instances/vol-e-0.json": async (directory) => (await Records.open(join(directory, "instances"))).readAll(),
};

for (const [name, open] of Object.entries(FILES))
  t.test(`${name} that is damaged is named`, async (t) => {
    const empty = t.testdir({ instances: {} });
    await t.resolves(open(empty), "none is there yet");
    for (const text of ["", "{"]) {
      const directory = t.testdir({ instances: {} });
      writeFileSync(join(directory, name), text);
      await t.rejects(open(directory), { message: new RegExp(`^${join(directory, name)} `) }, text);
    }
    const directory = t.testdir({ instances: {} });
    mkdirSync(join(directory, name));
    await t.rejects(open(directory), { message: new RegExp(`^${join(directory, name)} .*EISDIR`) });
  });
