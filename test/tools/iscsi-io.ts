/** An initiator that a test leads by the hand: `iscsi_io.cc` behind promises. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { compileTool } from "./compile.js";

/** A run of sectors (512 bytes) that hold one version; `torn`: not one whole stamp of that sector. */
export interface VersionRun {
  version: number | "torn";
  sectors: number;
}

export class IscsiIo {
  private readonly answers: AsyncIterator<string>;

  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, null>,
    private readonly reconnects: boolean,
  ) {
    this.answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  /** @param reconnects it logs in again when its connection ends, and sends again what was not answered */
  static async connect(
    url: string,
    initiator = "iqn.2014-11.test:io",
    { reconnects = false } = {},
  ): Promise<IscsiIo> {
    const program = await compileTool("test/tools/iscsi_io.cc", ["-liscsi"]);
    const io = new IscsiIo(
      spawn(program, [initiator, url, ...(reconnects ? ["reconnect"] : [])], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
      reconnects,
    );
    // A write to a program that has ended shows as a missing answer.
    io.child.stdin.on("error", () => undefined);
    await io.answer();
    return io;
  }

  /** Stamps every sector of the range with `version` (> 0). @throws when the target answers with an error */
  async write(
    offset: number,
    length: number,
    version: number,
    options: { fua?: boolean } = {},
  ): Promise<void> {
    await this.ask(`write ${offset} ${length} ${version}${options.fua === true ? " fua" : ""}`);
  }

  /** The range reads as zeros afterwards, which is version 0. */
  async unmap(offset: number, length: number): Promise<void> {
    await this.ask(`unmap ${offset} ${length}`);
  }

  /** Writes zeros that need no room, as kernels zero what a file system is to find empty. */
  async zero(offset: number, length: number): Promise<void> {
    await this.ask(`zero ${offset} ${length}`);
  }

  async flush(): Promise<void> {
    await this.ask("flush");
  }

  async read(offset: number, length: number): Promise<VersionRun[]> {
    const runs = await this.ask(`read ${offset} ${length}`);
    return runs.split(" ").map((run) => {
      const [version = "", sectors] = run.split("x");
      return { version: version === "torn" ? "torn" : Number(version), sectors: Number(sectors) };
    });
  }

  /** A number for every 4 KiB of the range: equal when the bytes are. */
  async hashes(offset: number, length: number): Promise<string[]> {
    return (await this.ask(`hash ${offset} ${length}`)).split(" ");
  }

  async logout(): Promise<void> {
    const closed = new Promise((resolve) => this.child.once("close", resolve));
    this.child.stdin.end();
    await closed;
  }

  /** Ends it without a word to the target. */
  kill(): void {
    this.child.kill("SIGKILL");
  }

  private async ask(line: string): Promise<string> {
    for (;;) {
      this.child.stdin.write(`${line}\n`);
      try {
        return await this.answer();
      } catch (error) {
        // That of a new session: whoever reconnects sends the command again.
        if (!this.reconnects || !String(error).includes("UNIT_ATTENTION")) throw error;
      }
    }
  }

  private async answer(): Promise<string> {
    const { value, done } = (await this.answers.next()) as IteratorResult<string, undefined>;
    if (done === true) throw new Error("iscsi_io has ended");
    if (!value.startsWith("ok")) throw new Error(value);
    return value.slice(3);
  }
}
