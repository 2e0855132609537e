/** A database's own command-line client as a connection: statements go in, rows come out, an echo tells that all is done. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import type { Sql } from "./bank.js";

const DONE = "-- done --";

export class SqlClient implements Sql {
  private readonly lines: AsyncIterator<string>;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly closed: Promise<void>;
  private errors = "";

  /** @param echo the client's command that prints a line
   * @param command has to end at the first error */
  constructor(
    private readonly echo: string,
    command: string,
    args: string[],
  ) {
    this.child = spawn(command, args);
    this.lines = createInterface(this.child.stdout)[Symbol.asyncIterator]();
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    // A write to a client that has ended shows as a missing answer.
    this.child.stdin.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.child.once("error", (error) => {
        this.errors += error.message;
        resolve();
      });
      this.child.once("close", () => {
        resolve();
      });
    });
  }

  async query(sql: string): Promise<string[]> {
    this.child.stdin.write(`${sql}\n${this.echo} ${DONE}\n`);
    const rows: string[] = [];
    for (;;) {
      const { value, done } = (await this.lines.next()) as IteratorResult<string, undefined>;
      if (done === true) {
        await this.closed;
        throw new Error(`the client ended: ${this.errors}`);
      }
      if (value === DONE) return rows;
      rows.push(value);
    }
  }

  async end(): Promise<void> {
    this.child.stdin.end();
    await this.closed;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.closed;
  }
}
