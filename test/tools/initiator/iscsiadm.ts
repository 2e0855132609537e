/** `iscsiadm`, as far as an engine calls it; see iscsiadm(8). */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beginSession, endSession, readSessions, type Session } from "./sessions.js";

const NO_OBJECTS_FOUND = 21;
const CANNOT_CONNECT = 4;

const directory = process.env["AUROCHS_TEST_INITIATOR"] ?? "";
const records = join(directory, "records");
const args = process.argv.slice(2);
const value = (flag: string) => (args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? "") : "");

function report({ id, target, portal, disk }: Session): string {
  return [
    `Target: ${target} (non-flash)`,
    `\tCurrent Portal: ${portal},1`,
    `\tPersistent Portal: ${portal},1`,
    `\t\tSID: ${id}`,
    `\t\tscsi${id} Channel 00 Id 0 Lun: 1`,
    `\t\t\tAttached scsi disk ${disk}\t\tState: running`,
  ].join("\n");
}

function recordOf(portal: string): string {
  return `${value("-T")} ${portal}`;
}

async function session(): Promise<number> {
  const sessions = readSessions(directory);
  if (!args.includes("--logout")) {
    for (const one of sessions) process.stdout.write(`${report(one)}\n`);
    return sessions.length === 0 ? NO_OBJECTS_FOUND : 0;
  }
  const found = sessions.find(({ id }) => id === Number(value("-r")));
  if (found === undefined) return NO_OBJECTS_FOUND;
  await endSession(directory, found);
  return 0;
}

async function node(): Promise<number> {
  const portal = value("-p");
  if (args.includes("--login")) {
    await beginSession(directory, value("-T"), portal);
    return 0;
  }
  if (value("-o") === "new") {
    writeFileSync(join(records, recordOf(portal)), "");
    return 0;
  }
  const found = readdirSync(records).filter((name) => name.startsWith(recordOf(portal)));
  if (found.length === 0) return NO_OBJECTS_FOUND;
  if (value("-o") === "delete") for (const name of found) rmSync(join(records, name));
  return 0;
}

try {
  process.exitCode = await (value("-m") === "session" ? session() : node());
} catch (error) {
  process.stderr.write(`iscsiadm: ${(error as Error).message}\n`);
  process.exitCode = CANNOT_CONNECT;
}
