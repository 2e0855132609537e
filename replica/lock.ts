/** `aurochs.lock`: one daemon per replica directory. The kernel frees the lock when its process ends, however it ends. */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../native/index.js";
import { ReplicaError, systemError } from "./replica-error.js";

export const LOCK_NAME = "aurochs.lock";

export interface DirectoryLock {
  /** Idempotent. */
  release(): void;
}

/** @throws {ReplicaError} `LOCKED`, naming the directory and the holder's process id; `READ_ONLY`, ... */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, LOCK_NAME);
  let fd: number | null = null;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    if (!lockFile(fd)) throw new ReplicaError("LOCKED", `${directory} is in use by ${holder(fd)}`);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    if (fd !== null) closeSync(fd);
    throw systemError(error, "lock", path);
  }
  let held: number | null = fd;
  return {
    release() {
      if (held !== null) closeSync(held);
      held = null;
    },
  };
}

// The text is a hint for a person: another container's process ids are not ours.
function holder(fd: number): string {
  const text = readFileSync(fd, "latin1").slice(0, 16).trim();
  return /^\d+$/.test(text) ? `another daemon (process ${text})` : "another daemon";
}
