/** Paths as the kernel tells them. */
import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** A path without symbolic links but for its last name, and without slashes at its end: what is mounted there is listed under it,
 * see proc_pid_mountinfo(5). The last name is not looked at: a file system that hangs may be mounted there. What does not exist yet stays
 * as it is.
 * @param path absolute */
export async function resolvedPath(path: string): Promise<string> {
  const parent = dirname(path);
  const real = await realpath(parent).catch(() => (parent === path ? path : resolvedPath(parent)));
  return join(real, basename(path));
}
