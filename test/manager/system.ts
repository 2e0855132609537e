/** A whole storage system of ours: `bin/aurochs up` with some nodes, in a directory of its own, on a port of its own. Needs root. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../cli/free-ports.js";
import { RestClient } from "../../rest-client/client.js";
import { UnreachableError } from "../../rest-client/errors.js";
import type { ItemOf } from "../../rest-client/resources.js";
import { IscsiIo, type VersionRun } from "../tools/iscsi-io.js";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";

const TIMEOUT_MS = 120_000;

/** bytes that the initiator writes and reads at a time */
const PIECE_BYTES = 1 << 20;

type Volume = ItemOf<"volumes">;

interface Ready {
  manager: { pid: number | null };
  nodes: { name: string; directory: string }[];
}

export class System {
  private constructor(
    private readonly directory: string,
    private readonly up: Daemon,
    readonly manager: RestClient,
    private readonly url: string,
  ) {}

  /** @param nodes in network namespaces; null: this machine is the one node
   * @param environment of its processes, where it is another one */
  static async start(nodes: number | null, environment = process.env): Promise<System> {
    const directory = mkdtempSync(join(tmpdir(), "aurochs-system-"));
    const [port = 0] = await freePorts([], 1, 1);
    const up = startDaemon(
      "bin/aurochs",
      [
        ...["up", "--state-dir", join(directory, "system")],
        ...(nodes === null ? [] : ["--nodes", String(nodes)]),
        ...["--listen", `127.0.0.1:${port}`, "--ready-file", join(directory, "ready.json")],
      ],
      { env: environment },
    );
    const url = `http://127.0.0.1:${port}`;
    const manager = new RestClient({ url, token: null });
    const system = new System(directory, up, manager, url);
    await system.until("nodes that are ready", async () => {
      if (up.child.exitCode !== null) throw new Error(up.output());
      // It answers a moment before it says where everything is.
      if (!existsSync(join(directory, "ready.json"))) return false;
      const found = await manager.list("nodes");
      const isTrue = ({ conditions }: (typeof found)[number], type: string) => conditions[type]?.status === "True"; // prettier-ignore
      return found.length === (nodes ?? 1) && found.every((node) => isTrue(node, "Ready") && isTrue(node, "Schedulable")); // prettier-ignore
    });
    return system;
  }

  /** @param probe fails while the manager is away, which is no end */
  until(what: string, probe: () => Promise<boolean>): Promise<true> {
    return waitFor(what, TIMEOUT_MS, async () => {
      try {
        return (await probe()) ? true : undefined;
      } catch (error) {
        if (error instanceof UnreachableError) return undefined;
        throw error;
      }
    });
  }

  async untilVolume(name: string, what: string, reached: (volume: Volume) => boolean): Promise<Volume> {
    let found: Volume | null = null;
    await this.until(`volume ${name} to be ${what}`, async () => {
      found = await this.manager.get("volumes", name);
      return found !== null && reached(found);
    });
    return found as unknown as Volume;
  }

  async attach(name: string, hostId: string): Promise<Volume> {
    await this.manager.act("volumes", name, "attach", { hostId, attachmentID: "test" });
    return this.untilVolume(name, "attached", (volume) => volume.state === "attached" && volume.robustness === "healthy" && urlOf(volume) !== ""); // prettier-ignore
  }

  /** It is started again at once. */
  async killManager(): Promise<void> {
    const { pid } = this.#ready().manager;
    if (pid !== null) process.kill(pid, "SIGKILL");
    await waitFor("another manager", TIMEOUT_MS, () => (this.#ready().manager.pid === pid ? undefined : true)); // prettier-ignore
  }

  /** @returns what `aurochs explain` says of a volume, each step on one line */
  async explain(volume: string): Promise<string> {
    const text = await run("bin/aurochs", ["explain", volume, "--json", "--url", this.url]);
    const { findings } = JSON.parse(text) as { findings: { what: string; next: string[] }[] };
    return findings.flatMap(({ what, next }) => [what, ...next]).join("\n");
  }

  /** Values of series, by their names and labels as they are written. */
  async metrics(): Promise<Map<string, number>> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
    );
  }

  /** Where the replicas of a node are. */
  replicasOf(node: string): string {
    return join(this.#directoryOf(node), "disk", "replicas");
  }

  /** @returns pid of the process that hosts all replicas of a node */
  replicaHost(node: string): number {
    return (this.#stateOf(node, "replica-host.json") as { pid: number }).pid;
  }

  /** @returns pid of the engine of a volume that is attached to a node */
  engine(node: string, volume: string): number {
    const file = join("instances", `${volume}-e-0.json`);
    return (this.#stateOf(node, file) as { process: { pid: number } }).process.pid;
  }

  #stateOf(node: string, file: string): unknown {
    return JSON.parse(readFileSync(join(this.#directoryOf(node), "state", file), "utf8"));
  }

  #directoryOf(node: string): string {
    return this.#ready().nodes.find(({ name }) => name === node)?.directory ?? "";
  }

  #ready(): Ready {
    return JSON.parse(readFileSync(join(this.directory, "ready.json"), "utf8")) as Ready;
  }

  async end(): Promise<void> {
    this.up.child.kill("SIGTERM");
    await this.up.ended;
    rmSync(this.directory, { recursive: true });
  }
}

/** Where initiators find it; "": nowhere. */
export function urlOf({ controllers }: Volume): string {
  return controllers?.[0]?.endpoint ?? "";
}

/** Stamps the first bytes of a volume with a version, durably. */
export async function write(volume: Volume, length: number, version: number): Promise<void> {
  const io = await IscsiIo.connect(urlOf(volume));
  for (let at = 0; at < length; at += PIECE_BYTES) await io.write(at, PIECE_BYTES, version);
  await io.flush();
  await io.logout();
}

/** @returns versions of the volume's first bytes, and the bytes that each has */
export async function read(
  volume: Volume,
  length: number,
): Promise<[version: VersionRun["version"], bytes: number][]> {
  const io = await IscsiIo.connect(urlOf(volume));
  const runs: [VersionRun["version"], number][] = [];
  for (let at = 0; at < length; at += PIECE_BYTES)
    for (const { version, sectors } of await io.read(at, PIECE_BYTES)) {
      const last = runs.at(-1);
      if (last?.[0] === version) last[1] += sectors * 512;
      else runs.push([version, sectors * 512]);
    }
  await io.logout();
  return runs;
}
