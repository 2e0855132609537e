/** Ties a child's life to its parent's: the parent holds the other end of a pipe, which closes when it dies. */
import { Socket } from "node:net";

/** File descriptor of the pipe in children of `aurochs up`. */
export const PARENT_PIPE_FD = 3;
const VARIABLE = "AUROCHS_PARENT_PIPE";

/** Environment of a child that has the pipe. */
export const CHILD_ENVIRONMENT = { [VARIABLE]: String(PARENT_PIPE_FD) };

/** Ends the process at once when its parent is gone, as a crash of the machine's processes would: nothing acknowledged
 * is lost by that, and nobody is left behind who holds a lock or a port. */
export function dieWithParent(): void {
  if (process.env[VARIABLE] === undefined) return;
  // The pipe is ours, not our children's.
  Reflect.deleteProperty(process.env, VARIABLE);
  const pipe = new Socket({ fd: PARENT_PIPE_FD, readable: true, writable: false });
  pipe.on("error", () => process.exit(1));
  pipe.on("close", () => process.exit(1));
  pipe.resume();
  pipe.unref();
}
