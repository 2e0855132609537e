/** A Debian kernel in qemu, without KVM, that runs commands for us. The host's loopback is 10.0.2.2 in there. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";

/** qemu translates every instruction: booting takes 10 s on an idle PC, more on a small board. */
const BOOT_TIMEOUT_MS = 120_000;
const CONSOLE_LINES = 40;
export const HOST = "10.0.2.2";

export interface CommandResult {
  output: string;
  exitCode: number;
}

export class Guest {
  private received = "";
  /** the end of the last command */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly qemu: Daemon,
    private readonly serial: Socket,
    private readonly workDir: string,
  ) {
    serial.setEncoding("utf8").on("data", (text: string) => (this.received += text));
  }

  /** @param forward a port of this machine's loopback that leads to the same one of the guest; null: none does */
  static async boot(forward: number | null = null): Promise<Guest> {
    const image = (await run("test/vm/build-guest", [])).trim().split("\n").at(-1) ?? "";
    const workDir = mkdtempSync(join(tmpdir(), "aurochs-vm-"));
    const socketPath = join(workDir, "serial");
    const qemu = startDaemon("qemu-system-x86_64", [
      ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"],
      ...["-display", "none", "-monitor", "none", "-no-reboot"],
      ...["-kernel", `${image}/vmlinuz`, "-initrd", `${image}/initrd`],
      // All files of this machine, for programs that are not in the guest's image.
      ...["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"],
      // A busy host does not deliver the timer as soon as the kernel's check of it wants.
      ...["-append", "console=ttyS0 panic=-1 no_timer_check"],
      ...["-nic", `user,model=virtio-net-pci${hostForward(forward)}`, "-device", "virtio-rng-pci"],
      ...["-serial", `file:${join(workDir, "console")}`, "-serial", `unix:${socketPath},server=on,wait=off`],
    ]);
    const serial = await waitFor("qemu's serial port", 10_000, () => tryConnect(socketPath));
    const guest = new Guest(qemu, serial, workDir);
    await guest.until(/READY\n/, BOOT_TIMEOUT_MS, "boot");
    return guest;
  }

  /** Runs one shell line, when those before it have ended. */
  attempt(command: string, timeoutMs: number): Promise<CommandResult> {
    const result = this.last.then(() => this.execute(command, timeoutMs));
    this.last = result.catch(() => undefined);
    return result;
  }

  private async execute(command: string, timeoutMs: number): Promise<CommandResult> {
    this.serial.write(`${command}\n`);
    const [text, exitCode] = await this.until(/([\s\S]*)\nEXIT (\d+)\n/, timeoutMs, command);
    return { output: text.trimEnd(), exitCode };
  }

  /** Runs one shell line. @throws when it fails, with its output */
  async run(command: string, timeoutMs = 60_000): Promise<string> {
    const { output, exitCode } = await this.attempt(command, timeoutMs);
    if (exitCode !== 0)
      throw new Error(`guest: ${command}: exit code ${exitCode}\n${output}\n${this.console()}`);
    return output;
  }

  /** The last that the kernel and iscsid said. */
  console(): string {
    return readFileSync(join(this.workDir, "console"), "utf8").split("\n").slice(-CONSOLE_LINES).join("\n");
  }

  async end(): Promise<void> {
    this.qemu.child.kill("SIGKILL");
    await this.qemu.ended;
    this.serial.destroy();
    rmSync(this.workDir, { recursive: true });
  }

  private async until(pattern: RegExp, timeoutMs: number, what: string): Promise<[string, number]> {
    const match = await waitFor(`the guest: ${what}`, timeoutMs, () => {
      if (this.qemu.child.exitCode !== null) throw new Error(`qemu has ended: ${this.qemu.output()}`);
      return pattern.exec(this.received) ?? undefined;
    }).catch((error: unknown) => {
      const answered = JSON.stringify(this.received);
      throw new Error(`${String(error)}; it had answered ${answered}\n${this.console()}`);
    });
    this.received = this.received.slice(match.index + match[0].length);
    return [match[1] ?? "", Number(match[2] ?? 0)];
  }
}

function hostForward(port: number | null): string {
  return port === null ? "" : `,hostfwd=tcp:127.0.0.1:${port}-:${port}`;
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket)).once("error", () => resolve(undefined));
  });
}
