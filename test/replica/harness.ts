/** Starts and ends replica daemons, and talks to one like an engine. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ReplicaControl } from "../../proto/control.js";
import { StreamClient } from "../../proto/stream-client.js";
import { unaryClient } from "../../proto/unary.js";
import type { ReplicaOptions, RunningReplica } from "../../replica/main.js";

export const SIZE = 16 << 20;

/** Calls of these tests wait for a disk at most. */
const CALL = { timeoutMs: 30_000 };

const daemonPath = fileURLToPath(new URL("./daemon.js", import.meta.url));

export interface Daemon {
  running: RunningReplica;
  pid: number;
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
}

/** A directory for one replica, with a boot id that the test sets. */
export class Home {
  readonly root = mkdtempSync(join(tmpdir(), "aurochs-replica-"));
  readonly directory = join(this.root, "replica");
  private readonly bootIdFile = join(this.root, "boot_id");
  private daemons: ChildProcess[] = [];

  constructor(t: { teardown: (end: () => void) => void }) {
    this.boot("boot-1");
    t.teardown(() => {
      for (const daemon of this.daemons) daemon.kill("SIGKILL");
      rmSync(this.root, { recursive: true, force: true });
    });
  }

  boot(id: string): void {
    writeFileSync(this.bootIdFile, `${id}\n`);
  }

  options(): ReplicaOptions {
    return {
      directory: this.directory,
      host: "127.0.0.1",
      port: 0,
      size: SIZE,
      volume: "vol",
      replicaId: "r1",
      cache: "writeback",
      backingFile: null,
      bootIdFile: this.bootIdFile,
    };
  }

  /** @throws an error with the code and message that the daemon ended with */
  async start(difference: Partial<ReplicaOptions> = {}): Promise<Daemon> {
    const options = JSON.stringify([{ ...this.options(), ...difference }]);
    const child = spawn(process.execPath, [daemonPath, options], { stdio: ["ignore", "pipe", "ignore"] });
    this.daemons.push(child);
    const exited = once(child, "exit");
    const lines = createInterface({ input: child.stdout });
    const [line] = (await once(lines, "line")) as [string];
    const answer = JSON.parse(line) as RunningReplica[] | { code: string; message: string };
    if (!Array.isArray(answer)) {
      await exited;
      throw Object.assign(new Error(answer.message), { code: answer.code });
    }
    const [running] = answer;
    if (running === undefined || child.pid === undefined) throw new Error("the daemon serves nothing");
    const kill = async (signal: "SIGKILL" | "SIGTERM") => {
      child.kill(signal);
      await exited;
    };
    return { running, pid: child.pid, kill };
  }
}

/** One engine of one member. */
export class Engine {
  private readonly client;

  constructor(
    private readonly running: RunningReplica,
    readonly engineId: string,
    readonly generation: number,
  ) {
    this.client = unaryClient(ReplicaControl, `${running.host}:${running.port}`);
  }

  identify() {
    return this.client.calls.identify({}, CALL);
  }

  record(members: string[] = ["r1"], revisionAtLeast = 0) {
    const { engineId, generation } = this;
    const engineState = Buffer.from("state");
    const record = {
      generation,
      members,
      engineId,
      engineBootId: "engine-boot",
      engineState,
      revisionAtLeast,
      witnesses: [],
      reverting: "",
      leased: false,
      heldByAll: 0,
      absent: [],
    };
    return this.client.calls.record({ volume: "vol", replicaId: "r1", record }, CALL);
  }

  async inherited(): Promise<number[]> {
    const { bitmap } = await this.client.calls.inheritedRegions(this.who(), CALL);
    return [...bitmap].flatMap((byte, i) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => i * 8 + bit)); // prettier-ignore
  }

  agreed(opening = "") {
    return this.client.calls.agreed({ ...this.who(), opening }, CALL);
  }

  release() {
    return this.client.calls.release({ ...this.who(), opening: "" }, CALL);
  }

  connect(): Promise<StreamClient> {
    const { host, dataPort, volume, replicaId } = this.running;
    return StreamClient.connect(`${host}:${dataPort}`, { volume, replicaId, ...this.who() });
  }

  close(): void {
    this.client.close();
  }

  private who() {
    return { engineId: this.engineId, generation: this.generation };
  }
}
