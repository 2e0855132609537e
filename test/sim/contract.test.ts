/** The simulated store and the C++ one are asked the same, in the same order, and answer the same: so that the twin does not drift. */
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openStore, type NativeError, type ReplicaStore, type StoreOptions } from "../../native/index.js";
import { Disk, setDisks } from "./disk.js";
import { beginNetwork } from "./network.js";
import { Random } from "./random.js";
import { bytesOf, BLOCK_BYTES, SECTOR_BYTES, sectorsOf } from "./sectors.js";
import { beginSimulation, inTurn, Process, simulation } from "./simulation.js";
import { openStore as openSimulated } from "./store.js";

const SIZE = 4 << 20;
const REGION = 1 << 20;
const STEPS = 150;
const SEEDS = 12;

/** One of the two, with the files that it lies on. */
interface Side {
  directory: string;
  run: <T>(work: () => Promise<T>) => Promise<T>;
  open: (options: StoreOptions) => Promise<ReplicaStore>;
  create: (path: string, size: number) => Promise<void>;
  rename: (from: string, to: string) => Promise<void>;
}

function nativeSide(test: Test): Side {
  return {
    directory: test.testdir({}),
    run: (work) => work(),
    open: (options) => openStore(options, (error) => test.fail(error.message)),
    create: async (path, size) => {
      const file = await open(path, "wx");
      await file.truncate(size);
      await file.close();
    },
    rename,
  };
}

function simulatedSide(test: Test, seed: number): Side {
  beginSimulation(seed);
  beginNetwork();
  const disk = new Disk("m");
  setDisks([disk]);
  const process = new Process("store", "m");
  return {
    directory: "/m/replica",
    run: async (work) => {
      const result = process.run(work);
      let ended = false;
      const end = () => (ended = true);
      result.then(end, end);
      await inTurn(() => simulation().run(() => ended));
      return result;
    },
    open: (options) => openSimulated(options, (error) => test.fail(error.message)),
    create: (path, size) => {
      disk.create(path).sparseBytes = size;
      return Promise.resolve();
    },
    rename: (from, to) => {
      disk.rename(from, to);
      return Promise.resolve();
    },
  };
}

/** What was said, in a form that does not depend on how: runs joined, errors by their codes. */
function told(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return joined(value as number[]);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, told(one)]));
  return value ?? null;
}

function joined(runs: number[]): number[] {
  const all: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const [offset = 0, length = 0] = runs.slice(i, i + 2);
    const last = all.length - 2;
    if (last >= 0 && (all[last] ?? 0) + (all[last + 1] ?? 0) === offset)
      all[last + 1] = (all[last + 1] ?? 0) + length;
    else all.push(offset, length);
  }
  return all;
}

/** Of bitmaps the native one may have bits too many: it marks regions ahead of a writer in sequence. */
function isAlike(simulated: unknown, native: unknown): boolean {
  if (Buffer.isBuffer(simulated) && Buffer.isBuffer(native))
    return (
      simulated.length === native.length && simulated.every((byte, i) => (byte & ~(native[i] ?? 0)) === 0)
    );
  if (typeof simulated !== "object" || typeof native !== "object" || simulated === null || native === null)
    return simulated === native;
  const keys = Object.keys(native);
  const entries = new Map(Object.entries(simulated));
  return keys.length === entries.size && keys.every((key) => isAlike(entries.get(key), (native as Record<string, unknown>)[key])); // prettier-ignore
}

/** A store and its chain, driven as the replica does. */
class Driven {
  private constructor(
    private readonly side: Side,
    private store: ReplicaStore,
    private layers: string[],
    private size: number,
  ) {}

  static async begin(side: Side): Promise<Driven> {
    const head = join(side.directory, "head-0.img");
    await side.create(head, SIZE);
    const driven = new Driven(side, null as unknown as ReplicaStore, [head], SIZE);
    await driven.reopen();
    return driven;
  }

  private get options(): StoreOptions {
    const { directory } = this.side;
    return {
      ...this.chain(this.layers),
      ...{ cache: "writeback", regionSize: REGION, ioThreads: 1 },
      ...{
        regionMapPath: join(directory, "aurochs.regions"),
        missedMapPath: join(directory, "aurochs.missed"),
      },
    };
  }

  private chain(layers: string[]) {
    return { layers: layers.map((path) => ({ path })), backing: false, size: this.size };
  }

  private async reopen(): Promise<void> {
    this.store = await this.side.run(() => this.side.open(this.options));
  }

  async close(): Promise<void> {
    await this.side.run(() => this.store.close());
  }

  /** @returns what it answered */
  async step(step: Step): Promise<unknown> {
    try {
      return told(await this.side.run(() => this.perform(step)));
    } catch (error) {
      return (error as NativeError).code;
    }
  }

  private async perform(step: Step): Promise<unknown> {
    const { store, side } = this;
    switch (step.do) {
      case "write":
        return store.write(step.offset, bytesOf(new Int32Array(step.length / SECTOR_BYTES).fill(step.value)), { fua: step.fua }); // prettier-ignore
      case "unmap":
        return store.unmap(step.offset, step.length);
      case "writeZeroes":
        return store.writeZeroes(step.offset, step.length);
      case "read":
        return [...sectorsOf(await store.read(step.offset, step.length))].join();
      case "extents":
        return store.extents(0, this.size);
      case "flush":
      case "inherit":
      case "agreed":
      case "release":
      case "forgetMissed":
      case "missed":
        return store[step.do]();
      case "inheritedRegions":
        return store.inheritedRegions();
      case "trackMissed":
        return store.trackMissed(step.generation);
      case "snapshot": {
        const head = join(side.directory, `head-${step.number}.img`);
        await side.create(head, this.size + step.grow);
        await store.prepareHead(head, this.size + step.grow);
        await store.holdChanges();
        await store.switchLayers();
        const old = this.layers.pop() ?? "";
        const snapshot = join(side.directory, `snap-${step.number}.img`);
        await side.rename(old, snapshot);
        await store.renameLayer(old, snapshot);
        store.resumeChanges();
        this.layers.push(snapshot, head);
        this.size += step.grow;
        return undefined;
      }
      case "revert": {
        if (this.layers.length < 3) return undefined;
        const head = join(side.directory, `head-${step.number}.img`);
        await side.create(head, this.size);
        const layers = [...this.layers.slice(0, -2), head];
        await store.holdChanges();
        await store.prepareLayers(this.chain(layers));
        await store.switchLayers();
        store.resumeChanges();
        this.layers = layers;
        return undefined;
      }
      case "removeLayers":
        return store.setRemovedLayers(this.layers.slice(0, -1).reverse().slice(0, step.count));
      case "merge": {
        const [lower, upper] = this.layers.slice(step.at, step.at + 2);
        await store.mergeLayers(lower ?? "", upper ?? "", () => undefined);
        this.layers.splice(step.at + 1, 1);
        return undefined;
      }
      case "prune":
        return store.pruneLayer(this.layers.at(-2) ?? "", () => undefined);
      case "reopen":
        await store.close();
        await this.reopen();
        return undefined;
      default:
        return step satisfies never;
    }
  }
}

type Range = { offset: number; length: number };
type Step =
  | ({ do: "write"; value: number; fua: boolean } & Range)
  | ({ do: "unmap" | "writeZeroes" | "read" } & Range)
  | { do: "extents" | "flush" | "inherit" | "agreed" | "release" | "forgetMissed" | "missed" | "inheritedRegions" | "reopen" | "prune" }
  | { do: "trackMissed"; generation: number }
  | { do: "snapshot"; number: number; grow: number }
  | { do: "revert"; number: number }
  | { do: "removeLayers"; count: number }
  | { do: "merge"; at: number }; // prettier-ignore

const KINDS = [
  ...["write", "write", "write", "write", "write", "unmap", "unmap", "writeZeroes", "read", "read", "flush"],
  ...["extents", "inherit", "agreed", "release", "forgetMissed", "missed", "inheritedRegions", "reopen"],
  ...["trackMissed", "snapshot", "snapshot", "revert", "removeLayers", "merge", "prune"],
] as Step["do"][];

function stepOf(random: Random, number: number): Step {
  const kind = random.pick(KINDS);
  const unit = random.chance(0.5) ? BLOCK_BYTES : SECTOR_BYTES;
  // A few places, so that they meet; at times past the end.
  const offset = random.pick([0, 16384, 1 << 20, 3 << 20, SIZE - 8192]) + random.below(4) * unit;
  const range = { offset, length: (1 + random.below(12)) * unit };
  switch (kind) {
    case "write":
      return { do: kind, ...range, value: number + 1, fua: random.chance(0.2) };
    case "unmap":
    case "writeZeroes":
    case "read":
      return { do: kind, ...range };
    case "trackMissed":
      return { do: kind, generation: number + 1 };
    case "snapshot":
      return { do: kind, number: number + 1, grow: random.chance(0.1) ? 64 << 10 : 0 };
    case "revert":
      return { do: kind, number: number + 1 };
    case "removeLayers":
      return { do: kind, count: random.below(3) };
    case "merge":
      return { do: kind, at: random.below(4) };
    default:
      return { do: kind };
  }
}

for (let seed = 1; seed <= SEEDS; seed++) {
  t.test(`simulated and native stores answer alike, seed ${seed}`, async (t) => {
    const random = new Random(seed);
    const pair = [await Driven.begin(nativeSide(t)), await Driven.begin(simulatedSide(t, seed))] as const;
    for (let number = 0; number < STEPS; number++) {
      const step = stepOf(random, number);
      const [native, simulated] = [await pair[0].step(step), await pair[1].step(step)];
      if (isAlike(simulated, native)) continue;
      t.same(simulated, native, `step ${number}: ${JSON.stringify(step)}`);
      return;
    }
    t.pass(`${STEPS} steps`);
    for (const one of pair) await one.close();
  });
}
