/** What iscsiadm prints and exits with. */
import { parseHostPort, type HostPort } from "../host-port.js";

export interface IscsiSession {
  id: number;
  target: string;
  /** the one that it was asked to log in to */
  portal: HostPort;
  /** disks by LUN, e.g. `sda` */
  disks: ReadonlyMap<number, string>;
}

/** Exit codes of iscsiadm(8). */
export const NO_OBJECTS_FOUND = 21;

const CAUSES = new Map<number, string>([
  [4, "the target cannot be reached"],
  [5, "the login was refused"],
  [8, "the target cannot be reached"],
  [11, "the target does not answer"],
  [12, "the kernel has no module iscsi_tcp"],
  [13, "it has to be run as root"],
  [18, "iscsid is not running"],
  [19, "the login was refused"],
  [20, "iscsid is not running"],
  [24, "the login was refused"],
  [-1, "it did not end in time"],
]);

/** Why a command failed, with the last that it said. */
export function iscsiadmError(what: string, exitCode: number, output: string): Error {
  const cause = CAUSES.get(exitCode);
  const said = output.split("\n").at(-1)?.trim() ?? "";
  const detail = `iscsiadm exited with ${exitCode}${said === "" ? "" : `: ${said}`}`;
  return new Error(`${what}: ${cause === undefined ? detail : `${cause} (${detail})`}`);
}

/** Reads `iscsiadm -m session -P 3`; sessions that it does not describe as a whole are left out. */
export function parseSessions(text: string): IscsiSession[] {
  const sessions: { id: number; target: string; portal: HostPort; disks: Map<number, string> }[] = [];
  let target = "";
  let portal: HostPort | null = null;
  let lun = -1;
  for (const line of text.split("\n")) {
    const [, key = "", value = ""] = /^\s*([\w ]+?): (\S+)/.exec(line) ?? [];
    const disk = /^\s*Attached scsi disk (\S+)/.exec(line)?.[1];
    const at = /^\s*scsi\d+ Channel \d+ Id \d+ Lun: (\d+)/.exec(line)?.[1];
    if (key === "Target") {
      target = value;
      portal = null;
    } else if (key === "Persistent Portal") portal = portalOf(value);
    else if (key === "SID" && portal !== null)
      sessions.push({ id: Number(value), target, portal, disks: new Map() });
    else if (at !== undefined) lun = Number(at);
    else if (disk !== undefined) sessions.at(-1)?.disks.set(lun, disk);
  }
  return sessions;
}

/** `HOST:PORT,GROUP` */
function portalOf(text: string): HostPort | null {
  try {
    return parseHostPort(text.split(",")[0] ?? "");
  } catch {
    return null;
  }
}
