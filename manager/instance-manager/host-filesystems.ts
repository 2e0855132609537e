/** File systems on volumes that are attached here, where the machine mounts them. */
import { existsSync } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { findMachine, type Machine } from "../../engine/initiator/commands.js";
import { RpcError } from "../../proto/rpc-error.js";
import { globalMountOf, mountTablePath } from "./filesystem-conditions.js";
import { TRIM_TIMEOUT_MS } from "./limits.js";

/** Makes a volume's global mount writable again, after an error of its disk has made it read-only. One that is not mounted is
 * no error.
 * @throws {Error} */
export async function remountReadWrite(volume: string, log: Logger, machine = findMachine()): Promise<void> {
  const mount = globalMountOf(await readFile(mountTablePath(), "utf8"), volume);
  if (mount === null) return;
  await run(machine, "mount", ["-o", "remount,rw", mount.path]);
  log.info({ volume, path: mount.path }, "file system remounted");
}

export interface Trimmed {
  mountPoint: string;
  /** bytes */
  trimmed: number;
}

/** @param encrypted the file system is on the mapper's device, not on the volume's
 * @throws {RpcError} FAILED_PRECONDITION when it is not mounted here */
export async function trimFilesystem(
  volume: string,
  encrypted: boolean,
  machine = findMachine(),
): Promise<Trimmed> {
  const device = encrypted ? `/dev/mapper/${volume}` : `/dev/longhorn/${volume}`;
  const mountPoint = await mountPointOf(device, await readFile(mountTablePath(), "utf8"));
  if (mountPoint === null)
    throw new RpcError(status.FAILED_PRECONDITION, `no file system is mounted from ${device}`);
  const output = await run(machine, "fstrim", ["-v", mountPoint], TRIM_TIMEOUT_MS);
  // "PATH: 1.2 GiB (1288490188 bytes) trimmed"
  return { mountPoint, trimmed: Number(/\((\d+) bytes\)/.exec(output)?.[1] ?? 0) };
}

/** Names of a device differ: what is compared is what they lead to. */
async function mountPointOf(device: string, mounts: string): Promise<string | null> {
  const real = await realpath(device).catch(() => null);
  for (const line of mounts.split("\n")) {
    const [source = "", path = ""] = line.split(" ");
    if (source === device) return unescaped(path);
    if (real !== null && source.startsWith("/") && (await realpath(source).catch(() => null)) === real)
      return unescaped(path);
  }
  return null;
}

/** Space, tab, newline and backslash are written as a backslash and three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

async function run(
  { host }: Machine,
  program: string,
  args: readonly string[],
  timeoutMs?: number,
): Promise<string> {
  const { exitCode, output } = await host.run(program, args, timeoutMs);
  if (exitCode !== 0) throw new Error(`${[program, ...args].join(" ")} failed: ${output}`);
  return output;
}

export interface Program {
  name: string;
  found: boolean;
  neededFor: string;
}

const NEEDED: Record<string, string> = {
  iscsiadm: "volumes as block devices",
  "mount.nfs": "volumes that several nodes share, and backups on NFS",
  cryptsetup: "encrypted volumes",
  fstrim: "giving back what file systems do not use",
  fsfreeze: "snapshots of mounted file systems",
};

const FOLDERS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/** Whether the machine has the programs that attaching and sharing volumes need. */
export function findPrograms(): Program[] {
  const root = existsSync("/host/proc/1/ns") ? "/host" : "";
  return Object.entries(NEEDED).map(([name, neededFor]) => ({
    ...{ name, neededFor },
    found: FOLDERS.some((folder) => existsSync(`${root}${folder}/${name}`)),
  }));
}
