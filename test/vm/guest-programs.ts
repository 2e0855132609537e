/** Programs that run in the guest when a process on this machine calls them: its initiator is the guest's then. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOST, type Guest } from "./guest.js";

/** Those that a local initiator is driven by. */
const PROGRAMS = ["iscsiadm", "cat", "sh", "stat", "mkdir", "mknod", "chown", "rm"];
const LOOPBACK = "127.0.0.1";
/** Longer than any of them may take. */
const TIMEOUT_MS = 60_000;

export class GuestPrograms {
  private constructor(
    /** goes in front of PATH */
    readonly directory: string,
    private readonly server: Server,
  ) {}

  static async make(guest: Guest): Promise<GuestPrograms> {
    const server = createServer({ allowHalfOpen: true }, (socket) => serve(guest, socket));
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const directory = mkdtempSync(join(tmpdir(), "aurochs-guest-programs-"));
    for (const name of PROGRAMS) {
      writeFileSync(join(directory, name), script((server.address() as AddressInfo).port));
      chmodSync(join(directory, name), 0o755);
    }
    return new GuestPrograms(directory, server);
  }

  environment(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${this.directory}:${process.env["PATH"] ?? ""}` };
  }

  close(): void {
    this.server.close();
    rmSync(this.directory, { recursive: true });
  }
}

/** Only what bash itself can do: the programs that it would need are called like it. */
function script(port: number): string {
  return `#!/usr/bin/env bash
printf -v line '%q ' "\${0##*/}" "$@"
exec 3<>/dev/tcp/${LOOPBACK}/${port}
printf '%s\\n' "$line" >&3
IFS= read -r code <&3
while IFS= read -r line <&3; do printf '%s\\n' "$line"; done
exit "$code"
`;
}

/** What is at our loopback address is elsewhere for the guest. */
function serve(guest: Guest, socket: Socket): void {
  let received = "";
  socket.on("error", () => undefined);
  socket.setEncoding("utf8").on("data", (text: string) => {
    received += text;
    if (!received.endsWith("\n")) return;
    const line = received
      .trimEnd()
      .replaceAll(LOOPBACK, HOST)
      .replace(/^iscsiadm /, "/tools/iscsiadm ");
    received = "";
    guest.attempt(line, TIMEOUT_MS).then(
      ({ output, exitCode }) => {
        const lines = output === "" ? "" : `${output.replaceAll(HOST, LOOPBACK)}\n`;
        socket.end(`${exitCode}\n${lines}`);
      },
      () => socket.destroy(),
    );
  });
}
