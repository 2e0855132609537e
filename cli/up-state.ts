/** What `aurochs up` keeps in its directory: which volume lives there, and a lock while it runs. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../native/index.js";
import { replaceFile } from "../replica/durable-file.js";
import { freePorts } from "./free-ports.js";

/** The directory cannot be used for what was asked. */
export class StateError extends Error {
  override readonly name = "StateError";
}

export interface Wanted {
  volume: string;
  /** bytes */
  size: number;
  replicas: number;
}

interface Remembered extends Wanted {
  version: 1;
  /** control ports, one of each replica */
  ports: number[];
}

/** A control port, and the data port after it. */
const PORTS_PER_REPLICA = 2;

export class UpState {
  private constructor(
    readonly directory: string,
    readonly ports: number[],
    private readonly lock: number,
  ) {}

  /** Locks the directory and checks that it belongs to the volume that is wanted, or begins it.
   * @throws {StateError} */
  static async open(directory: string, wanted: Wanted): Promise<UpState> {
    mkdirSync(directory, { recursive: true });
    const lock = openSync(join(directory, "up.lock"), "w");
    try {
      if (!lockFile(lock)) throw new StateError(`${directory} is in use by another aurochs up`);
      const known = read(join(directory, "up.json"));
      if (known !== null) compare(directory, known, wanted);
      const ports = await freePorts(known?.ports ?? [], wanted.replicas, PORTS_PER_REPLICA);
      const remembered: Remembered = { version: 1, ...wanted, ports };
      await replaceFile(join(directory, "up.json"), `${JSON.stringify(remembered)}\n`);
      return new UpState(directory, ports, lock);
    } catch (error) {
      closeSync(lock);
      throw error;
    }
  }

  replicaDirectory(index: number): string {
    return join(this.directory, `replica-${index + 1}`);
  }

  get engineFile(): string {
    return engineFile(this.directory);
  }

  /** An empty log for this run: those of earlier runs would only grow. */
  freshLog(name: string): string {
    const path = join(this.directory, `${name}.log`);
    rmSync(path, { force: true });
    return path;
  }

  close(): void {
    closeSync(this.lock);
  }
}

/** Where the engine under a state directory says how it can be reached. */
export function engineFile(directory: string): string {
  return join(directory, "engine.json");
}

function compare(directory: string, known: Remembered, wanted: Wanted): void {
  for (const key of ["volume", "size", "replicas"] as const) {
    if (known[key] === wanted[key]) continue;
    throw new StateError(`--${key}: ${directory} was made with ${known[key]}, not ${wanted[key]}`);
  }
}

function read(path: string): Remembered | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  let known: Partial<Remembered> | null;
  try {
    known = JSON.parse(text) as Partial<Remembered> | null;
  } catch (cause) {
    throw new StateError(`${path} is not JSON`, { cause });
  }
  const { version, volume, size, replicas, ports } = known ?? {};
  const valid =
    version === 1 &&
    typeof volume === "string" &&
    typeof size === "number" &&
    typeof replicas === "number" &&
    Array.isArray(ports) &&
    ports.every((port) => Number.isInteger(port));
  if (!valid) throw new StateError(`${path} is damaged or of another version`);
  return { version, volume, size, replicas, ports };
}
