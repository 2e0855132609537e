/** Sessions of the initiator: a file each. */
import { spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isAlive, run, waitFor } from "../process.js";

const TIMEOUT_MS = 15_000;
const LUN = 1;

export interface Session {
  id: number;
  target: string;
  /** HOST:PORT */
  portal: string;
  /** e.g. `loop3` */
  disk: string;
  /** of the process that holds it */
  pid: number;
}

export function readSessions(directory: string): Session[] {
  return readdirSync(join(directory, "sessions"))
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(directory, "sessions", name), "utf8")) as Session)
    .sort((a, b) => a.id - b.id);
}

export function mountPointOf(directory: string, id: number): string {
  return join(directory, "sessions", String(id));
}

/** @throws the target does not answer */
export async function beginSession(directory: string, target: string, portal: string): Promise<void> {
  const id = Math.max(0, ...readdirSync(join(directory, "sessions")).map((name) => Number.parseInt(name, 10))) + 1; // prettier-ignore
  const mountPoint = mountPointOf(directory, id);
  mkdirSync(mountPoint);
  const log = openSync(`${mountPoint}.log`, "a");
  const url = `iscsi://${portal}/${target}/${LUN}`;
  const fuse = process.env["AUROCHS_TEST_INITIATOR_FUSE"] ?? "";
  const child = spawn(fuse, [mountPoint, "iqn.2014-11.test:node", url], { detached: true, stdio: ["ignore", log, log] }); // prettier-ignore
  closeSync(log);
  child.unref();
  const pid = child.pid ?? 0;
  let disk = "";
  try {
    await waitFor("the target", TIMEOUT_MS, () => {
      if (child.exitCode !== null) throw new Error(readFileSync(`${mountPoint}.log`, "utf8"));
      return bytesOf(mountPoint);
    });
    const path = await run("losetup", ["--show", "--find", "--direct-io=on", join(mountPoint, "disk")]);
    disk = path.trim().replace("/dev/", "");
    const session: Session = { id, target, portal, disk, pid };
    writeFileSync(`${mountPoint}.new`, JSON.stringify(session));
    renameSync(`${mountPoint}.new`, `${mountPoint}.json`);
  } catch (error) {
    await endSession(directory, { id, target, portal, disk, pid });
    throw error;
  }
}

/** As a logout ends one: what still has the disk mounted gets errors. */
export async function endSession(directory: string, { id, disk, pid }: Session): Promise<void> {
  const mountPoint = mountPointOf(directory, id);
  rmSync(`${mountPoint}.json`, { force: true });
  if (disk !== "") await run("losetup", ["--detach", `/dev/${disk}`]).catch(() => undefined);
  if (isAlive(pid)) process.kill(pid, "SIGTERM");
  await waitFor(`process ${pid} to end`, TIMEOUT_MS, () => (isAlive(pid) ? undefined : true));
  await run("umount", ["--lazy", mountPoint]).catch(() => undefined);
  rmdirSync(mountPoint);
  rmSync(`${mountPoint}.log`, { force: true });
}

/** Makes the disk as large as the target has it now. */
export async function rescan(directory: string, disk: string): Promise<void> {
  const session = readSessions(directory).find((one) => one.disk === disk);
  if (session === undefined) throw new Error(`there is no disk ${disk}`);
  const mountPoint = mountPointOf(directory, session.id);
  const before = bytesOf(mountPoint);
  process.kill(session.pid, "SIGHUP");
  // It may be as large already.
  await waitFor("the disk to grow", 1_000, () => (bytesOf(mountPoint) === before ? undefined : true)).catch(
    () => undefined,
  );
  await run("stat", [join(mountPoint, "disk")]);
  await run("losetup", ["--set-capacity", `/dev/${disk}`]);
}

function bytesOf(mountPoint: string): number | undefined {
  try {
    const bytes = /^bytes (\d+)$/m.exec(readFileSync(join(mountPoint, "status"), "utf8"))?.[1];
    return bytes === undefined ? undefined : Number(bytes);
  } catch {
    return undefined;
  }
}
