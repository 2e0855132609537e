/** What the agent has to find again after its end: one JSON file per instance, replaced atomically. */
import { mkdir, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncDirectory } from "../../replica/durable-file.js";
import type { EngineFacts } from "./engine-restart.js";
import type { PortRange } from "./ports.js";
import type { ProcessId } from "./proc.js";
import { Serial } from "../../replica/serial.js";
import { readStateFile } from "./state-file.js";
import type { Status } from "./status.js";

export interface InstanceSpec {
  name: string;
  /** as given, or an absolute path */
  binary: string;
  args: string[];
  portCount: number;
  portArgs: string[];
}

export interface EngineRecord {
  /** how it was when it last told; null: it never did */
  last: EngineFacts | null;
  /** of its processes, by which replicas know them: those that may be recorded there, the newest last */
  ids: string[];
}

export interface InstanceRecord {
  version: 1;
  spec: InstanceSpec;
  uuid: string;
  /** null: it has none */
  ports: PortRange | null;
  /** ports of the instance in whose place it came that its arguments name: initiators look for their target there */
  inheritedPorts: number[];
  /** `replica`: in the replica host; otherwise it is a process of its own */
  kind: "process" | "replica";
  /** of the boot in which it was started */
  bootId: string;
  status: Status;
  /** it was "running" once: when it ends it has crashed, rather than not been able to start */
  hasRun: boolean;
  /** to go from the list when it has ended */
  deleting: boolean;
  /** of an engine of ours, which is started again when it crashes; null for others */
  engine: EngineRecord | null;
  /** the latest process; null: not known to be there */
  process: ProcessId | null;
}

const SUFFIX = ".json";

export class Records {
  readonly #turns = new Map<string, Serial>();

  private constructor(private readonly directory: string) {}

  static async open(directory: string): Promise<Records> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new Records(directory);
  }

  /** @throws {Error} naming a file that holds no record: nothing is guessed about what may run */
  async readAll(): Promise<Map<string, InstanceRecord>> {
    const records = new Map<string, InstanceRecord>();
    for (const file of (await readdir(this.directory)).sort()) {
      if (!file.endsWith(SUFFIX)) continue;
      const path = join(this.directory, file);
      records.set(
        decodeURIComponent(file.slice(0, -SUFFIX.length)),
        checkRecord(path, await readStateFile(path)),
      );
    }
    return records;
  }

  /** @param key the instance's name, or what stands for it during a replacement
   * @throws {Error} and the old record is there */
  write(key: string, record: InstanceRecord): Promise<void> {
    // As it is now: it may change while an earlier one is written.
    const text = `${JSON.stringify(record, null, 1)}\n`;
    return this.#turn(key).run(() => replaceFile(this.#path(key), text));
  }

  remove(key: string): Promise<void> {
    return this.#turn(key).run(async () => {
      await unlink(this.#path(key)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      });
      await syncDirectory(this.directory);
      this.#turns.delete(key);
    });
  }

  #turn(key: string): Serial {
    const turn = this.#turns.get(key) ?? new Serial();
    this.#turns.set(key, turn);
    return turn;
  }

  #path(key: string): string {
    return join(this.directory, encodeURIComponent(key) + SUFFIX);
  }
}

function checkRecord(path: string, value: unknown): InstanceRecord {
  const { version, spec, status } = (value ?? {}) as Partial<InstanceRecord>;
  if (version !== 1 || spec === undefined || status === undefined)
    throw new Error(`${path} holds no record of an instance of this version`);
  return value as InstanceRecord;
}
