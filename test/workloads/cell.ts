/** One cell of the matrix: a database on a file system on a volume, and what is done to it, over and over. */
import { chmodSync, mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileTool } from "../tools/compile.js";
import { numbers } from "../tools/random.js";
import { run, sleep, waitFor } from "../tools/process.js";
import { Bank } from "./bank.js";
import type { Database, DatabaseName } from "./database.js";
import { checkFileSystem, makeFileSystem, mount, unmount, type FileSystem } from "./file-system.js";
import { Load } from "./load.js";
import { Nodes, type Random } from "./nodes.js";
import { Postgres } from "./postgres.js";
import { disturb } from "./disturbances.js";
import { Sqlite } from "./sqlite.js";

/** `one` and `all`: whose power is cut. `processes`: they are killed or stopped, and no power is cut. */
export const SCOPES = ["one", "all", "processes"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Cell {
  database: DatabaseName;
  fileSystem: FileSystem;
  scope: Scope;
}

export interface CellResult extends Cell {
  seed: number;
  /** power cuts or other events that were survived */
  cuts: number;
  /** transactions */
  acknowledged: number;
  lost: number;
  /** what a checker would repair after the file system's and the database's own recovery */
  repairs: number;
  seconds: number;
  /** empty when all is well; a cell ends with its first failure */
  failure: string;
}

const LOAD_MS_MAX = 1_200;
/** The other node is away for this long at most while the database goes on. */
const AWAY_MS_MAX = 1_500;
/** Of the cuts of one node those that hit the node where the database is not. */
const OTHER_NODE_ONE_IN = 3;
/** After anything that happens to processes the database has to go on. */
const PROGRESS_TIMEOUT_MS = 60_000;
const PROGRESS_TRANSACTIONS = 5;
const FINDINGS_SHOWN = 5;

/** @param withoutFlush the replicas make nothing durable: the negative control
 * @param onCut told of how it goes */
export async function runCell(
  cell: Cell,
  cuts: number,
  seed: number,
  withoutFlush: boolean,
  onCut: (result: Readonly<CellResult>) => void,
): Promise<CellResult> {
  const began = Date.now();
  const result: CellResult = {
    ...cell,
    ...{ seed, cuts: 0, acknowledged: 0, lost: 0, repairs: 0, seconds: 0, failure: "" },
  };
  const work = new Run(cell, numbers(seed), result);
  try {
    await work.setUp(withoutFlush);
    while (result.cuts < cuts) {
      await work.event();
      result.cuts++;
      onCut(result);
    }
  } catch (error) {
    result.failure = `${(error as Error).message}\n${work.output()}`;
  } finally {
    result.acknowledged = work.acknowledged;
    await work.remove();
  }
  result.seconds = Math.round((Date.now() - began) / 1000);
  return result;
}

class Run {
  private readonly directory = mkdtempSync(join(tmpdir(), "aurochs-workload-"));
  private readonly mountPoint = join(this.directory, "mnt");
  private readonly bank = new Bank();
  private readonly database: Database;
  private nodes: Nodes | undefined;

  constructor(
    private readonly cell: Cell,
    private readonly random: Random,
    private readonly result: CellResult,
  ) {
    chmodSync(this.directory, 0o755);
    mkdirSync(this.mountPoint);
    this.database = makeDatabase(cell.database, this.mountPoint, join(this.directory, "sockets"));
  }

  async setUp(withoutFlush: boolean): Promise<void> {
    const env = withoutFlush
      ? { LD_PRELOAD: await compileTool("test/powercut/no_sync.cc", ["-shared", "-fPIC", "-ldl"]) }
      : {};
    this.nodes = await Nodes.make(this.cell.fileSystem, env);
    const { path } = await this.nodes.attach();
    await makeFileSystem(this.cell.fileSystem, path);
    await mount(this.cell.fileSystem, path, this.mountPoint);
    await this.database.create();
    const client = await this.database.connect();
    await Bank.open(client);
    await client.end();
    // Or all that is lost is an empty volume.
    if (withoutFlush) await this.nodes.syncDisks();
  }

  /** Whatever the cell is about, once, and then a look at everything. */
  async event(): Promise<void> {
    const { nodes, random } = this;
    if (nodes === undefined) throw new Error("not set up");
    // With one copy that is current, the loss of its node is the loss of the volume.
    if (this.cell.scope === "one") await nodes.healthy();
    const load = await Load.start(this.bank, this.database, random);
    await sleep(random(LOAD_MS_MAX));
    if (this.cell.scope === "processes") {
      await disturb(nodes, random);
      await this.progress(load);
    } else if (this.cell.scope === "one" && random(OTHER_NODE_ONE_IN) === 0) {
      await nodes.cutPower([1], random, () => Promise.resolve());
      await sleep(random(AWAY_MS_MAX));
      await nodes.restorePower([1]);
      await this.progress(load);
    } else {
      await this.reboot(nodes, load, this.cell.scope === "one" ? [0] : [0, 1]);
    }
    await this.check();
  }

  get acknowledged(): number {
    return this.bank.acknowledgedTotal;
  }

  output(): string {
    return this.nodes?.output() ?? "";
  }

  async remove(): Promise<void> {
    await this.database.kill();
    // Before it is unmounted: a volume that does not serve holds what is to be written.
    this.nodes?.killInitiator();
    await run("umount", [this.mountPoint]).catch(() => undefined);
    await this.nodes?.remove();
    rmSync(this.directory, { recursive: true });
  }

  /** The power of the node with the database (and perhaps of the other) fails, and returns. */
  private async reboot(nodes: Nodes, load: Load, which: readonly number[]): Promise<void> {
    const before = load.failures;
    await nodes.cutPower(which, this.random, () => this.database.kill());
    await load.ended();
    if (before.length > 0) throw new Error(`before the power was cut: ${before.join("; ")}`);
    await unmount(this.mountPoint);
    await nodes.restorePower(which);
    const { path } = await nodes.attach();
    await mount(this.cell.fileSystem, path, this.mountPoint);
    await this.checkFileSystem(nodes);
    await this.database.start();
  }

  /** The database did not notice: it commits, and nothing has failed. */
  private async progress(load: Load): Promise<void> {
    const least = this.bank.acknowledgedTotal + PROGRESS_TRANSACTIONS * this.database.writers;
    await waitFor("the database to go on", PROGRESS_TIMEOUT_MS, () =>
      load.failures.length > 0 || this.bank.acknowledgedTotal >= least ? true : undefined,
    );
    await load.stop();
    if (load.failures.length > 0) throw new Error(`the database noticed: ${load.failures.join("; ")}`);
  }

  private async checkFileSystem(nodes: Nodes): Promise<void> {
    await unmount(this.mountPoint);
    await checkFileSystem(this.cell.fileSystem, nodes.device.path).catch((error: unknown) => {
      this.result.repairs++;
      throw error;
    });
    await mount(this.cell.fileSystem, nodes.device.path, this.mountPoint);
  }

  private async check(): Promise<void> {
    const client = await this.database.connect();
    const { lost, wrong } = await this.bank.check(client);
    await client.end();
    const damaged = await this.database.check();
    this.result.lost += lost.length;
    this.result.repairs += damaged.length;
    const all = [...lost, ...wrong, ...damaged];
    if (all.length > 0) throw new Error(`${all.length} findings: ${all.slice(0, FINDINGS_SHOWN).join("\n")}`);
    const errors = this.nodes?.device.errors() ?? "";
    if (errors !== "") throw new Error(`the target answered with errors: ${errors}`);
    const closing = await this.database.connect();
    await this.bank.closeLedger(closing);
    await closing.end();
  }
}

function makeDatabase(name: DatabaseName, directory: string, sockets: string): Database {
  switch (name) {
    case "sqlite-wal":
      return new Sqlite("wal", directory);
    case "sqlite-delete":
      return new Sqlite("delete", directory);
    case "postgres":
      return new Postgres(directory, sockets);
  }
}
