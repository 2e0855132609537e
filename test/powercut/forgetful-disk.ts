/** A file system on a disk that forgets unflushed writes when its power is cut (`forgetful_disk.cc`). Needs root. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileTool } from "../tools/compile.js";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { unmount } from "../tools/unmount.js";

export interface Cut {
  seed: number;
  /** per cent of the unflushed pieces that survive */
  keep: number;
  /** bytes of a piece: 512 tears within a file system block */
  granule: 512 | 4096;
}

export class ForgetfulDisk {
  /** where the file system is mounted */
  readonly mountPoint: string;
  private readonly backing: string;
  private readonly fuse: string;
  private daemon: Daemon | undefined;
  private loop: string | undefined;

  private constructor(private readonly workDir: string) {
    this.mountPoint = join(workDir, "mnt");
    this.backing = join(workDir, "backing");
    this.fuse = join(workDir, "fuse");
  }

  static async make(type: "ext4" | "xfs", mebibytes: number): Promise<ForgetfulDisk> {
    const disk = new ForgetfulDisk(mkdtempSync(join(tmpdir(), "aurochs-disk-")));
    mkdirSync(disk.mountPoint);
    mkdirSync(disk.fuse);
    writeFileSync(disk.backing, "");
    truncateSync(disk.backing, mebibytes * 1024 * 1024);
    const command = type === "ext4" ? ["mkfs.ext4", "-q", "-F"] : ["mkfs.xfs", "-q", "-f"];
    await run(command[0] ?? "", [...command.slice(1), disk.backing]);
    await disk.powerOn();
    return disk;
  }

  async powerOn(): Promise<void> {
    const program = await compileTool("test/powercut/forgetful_disk.cc", ["-I/usr/include/fuse3", "-lfuse3"]);
    this.daemon = startDaemon(program, [this.fuse, this.backing]);
    await waitFor("the forgetful disk", 10_000, () => (this.status() === undefined ? undefined : true));
    this.loop = (await run("losetup", ["--show", "--find", join(this.fuse, "disk")])).trim();
    await run("mount", [this.loop, this.mountPoint]);
  }

  /** From here on every access fails, until `powerOff` and `powerOn`. */
  cutPower({ seed, keep, granule }: Cut): void {
    writeFileSync(join(this.fuse, "cut"), `${seed} ${keep} ${granule}\n`);
  }

  /** What is volatile now, in words; undefined while the disk is off. */
  status(): string | undefined {
    try {
      return readFileSync(join(this.fuse, "status"), "utf8").trim();
    } catch {
      return undefined;
    }
  }

  /** Takes everything down; nobody may have a file open here any more. */
  async powerOff(): Promise<void> {
    if (this.daemon === undefined) return;
    await unmount(this.mountPoint);
    await run("losetup", ["--detach", this.loop ?? ""]);
    this.loop = undefined;
    await unmount(this.fuse);
    await this.daemon.ended;
    this.daemon = undefined;
  }

  /** Takes everything down and away, also from under those who still have a file open here. */
  async remove(): Promise<void> {
    if (this.daemon !== undefined) {
      await run("umount", ["--lazy", this.mountPoint]).catch(() => undefined);
      if (this.loop !== undefined) await run("losetup", ["--detach", this.loop]).catch(() => undefined);
      await run("umount", ["--lazy", this.fuse]).catch(() => undefined);
      this.daemon.child.kill("SIGKILL");
      await this.daemon.ended;
    }
    rmdirSync(this.mountPoint);
    rmdirSync(this.fuse);
    rmSync(this.workDir, { recursive: true });
  }
}
