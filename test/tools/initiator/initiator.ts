/**
 * open-iscsi for a machine whose kernel has none: what engines call, iscsiadm and a shell that writes to files of sysfs, as
 * programs in a folder that goes in front of PATH. Each session is an `iscsi_fuse` under a loop device.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileTool } from "../compile.js";
import { endSession, readSessions } from "./sessions.js";

export class Initiator {
  private constructor(
    readonly directory: string,
    private readonly fuse: string,
  ) {}

  static async make(): Promise<Initiator> {
    const fuse = await compileTool("test/tools/iscsi_fuse.cc", [
      "-I/usr/include/fuse3",
      "-lfuse3",
      "-liscsi",
    ]);
    const directory = mkdtempSync(join(tmpdir(), "aurochs-initiator-"));
    for (const folder of ["bin", "sessions", "records"]) mkdirSync(join(directory, folder));
    for (const name of ["iscsiadm", "sh"]) {
      const program = fileURLToPath(new URL(`${name}.js`, import.meta.url));
      const text = name === "sh" ? SHELL.replace("PROGRAM", program) : `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`; // prettier-ignore
      writeFileSync(join(directory, "bin", name), text, { mode: 0o755 });
    }
    return new Initiator(directory, fuse);
  }

  environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATH: `${join(this.directory, "bin")}:${process.env["PATH"] ?? ""}`,
      AUROCHS_TEST_INITIATOR: this.directory,
      AUROCHS_TEST_INITIATOR_FUSE: this.fuse,
    };
  }

  /** Targets with a session. */
  sessions(): string[] {
    return readSessions(this.directory).map(({ target }) => target);
  }

  records(): string[] {
    return readdirSync(join(this.directory, "records"));
  }

  async end(): Promise<void> {
    for (const session of readSessions(this.directory)) await endSession(this.directory, session);
    rmSync(this.directory, { recursive: true });
  }
}

/** Only what is written to a disk's files in sysfs is for us: a loop device does not have them. */
const SHELL = `#!/bin/bash
case "$2:$5" in
  'echo "$1" >"$2":/sys/class/block/loop'*'/device/'*) exec '${process.execPath}' 'PROGRAM' "$4" "$5" ;;
esac
exec /bin/sh "$@"
`;
