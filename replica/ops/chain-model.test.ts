/** Random operations on a real directory against a model of the chain: metadata after each, contents of all branches. */
import assert from "node:assert/strict";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { openStore } from "../../native/index.js";
import { chainFrom } from "../chain.js";
import { createIfEmpty } from "../create.js";
import type { ReplicaDirectory } from "../directory.js";
import { snapshotFile } from "../disk-names.js";
import { diskFiles } from "../files.js";
import { foldFile } from "../fold-files.js";
import { layersOf } from "../layers.js";
import { scratch } from "../scratch.js";
import { expansion } from "./expand.js";
import { markRemoved } from "./mark-removed.js";
import { removalActions } from "./prepare-remove.js";
import { recover } from "./recover.js";
import { removeDisk } from "./remove.js";
import { replaceDisk } from "./replace.js";
import { revert } from "./revert.js";
import { BLOCK } from "./sample-directory.js";
import { commitSnapshot, finishSnapshot, prepareSnapshot, type SnapshotRequest } from "./snapshot.js";

const BLOCKS = 8;
const CREATED = "2026-05-06T07:08:09Z";

interface ModelDisk {
  parent: string | null;
  removed: boolean;
  userCreated: boolean;
  /** value by block */
  data: Map<number, number>;
}

/** Snapshots by bare name; the head is null. */
class Model {
  readonly disks = new Map<string | null, ModelDisk>([
    [null, { parent: null, removed: false, userCreated: false, data: new Map() }],
  ]);
  blocks = BLOCKS;

  get head(): ModelDisk {
    return this.disk(null);
  }

  disk(name: string | null): ModelDisk {
    const disk = this.disks.get(name);
    if (disk === undefined) throw new Error(`the model has no ${name ?? "head"}`);
    return disk;
  }

  get names(): string[] {
    return [...this.disks.keys()].filter((name) => name !== null);
  }

  children(name: string): (string | null)[] {
    return [...this.disks].filter(([, disk]) => disk.parent === name).map(([child]) => child);
  }

  snapshot(name: string, userCreated: boolean): void {
    this.disks.set(name, { ...this.head, userCreated });
    this.disks.set(null, { parent: name, removed: false, userCreated: false, data: new Map() });
  }

  /** The content seen at a disk, one value per block. */
  content(name: string | null): number[] {
    return Array.from({ length: this.blocks }, (_, block) => {
      for (let disk: ModelDisk | undefined = this.disk(name); disk !== undefined;) {
        const value = disk.data.get(block);
        if (value !== undefined) return value;
        disk = disk.parent === null ? undefined : this.disk(disk.parent);
      }
      return 0;
    });
  }
}

type Step =
  | { op: "write"; block: number; value: number }
  | { op: "snapshot"; userCreated: boolean }
  | { op: "expand" }
  | { op: "reopen" }
  | { op: "revert" | "mark" | "remove" | "purge"; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant("write" as const), block: fc.nat(BLOCKS - 1), value: fc.integer({ min: 0, max: 255 }) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("snapshot" as const), userCreated: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ op: "expand" as const }) },
  { weight: 1, arbitrary: fc.constant({ op: "reopen" as const }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constantFrom("revert" as const, "mark" as const, "remove" as const, "purge" as const), pick: fc.nat() }) },
); // prettier-ignore

class Run {
  readonly model = new Model();
  private taken = 0;

  constructor(private directory: ReplicaDirectory) {}

  async do(step: Step): Promise<void> {
    const { model } = this;
    switch (step.op) {
      case "write":
        this.write(step.block, step.value);
        model.head.data.set(step.block, step.value);
        return;
      case "snapshot": {
        const name = `s${++this.taken}`;
        await this.snapshot({
          name,
          userCreated: step.userCreated,
          created: CREATED,
          labels: null,
          size: null,
        });
        model.snapshot(name, step.userCreated);
        return;
      }
      case "expand": {
        const request = expansion(this.directory, (model.blocks + 1) * BLOCK, CREATED, 250);
        if (request === null) throw new Error("it is larger");
        await this.snapshot(request);
        model.snapshot(request.name, false);
        model.blocks++;
        return;
      }
      case "reopen": {
        const { directory, removed } = await recover(this.directory.path);
        assert.deepEqual(removed, []);
        this.directory = directory;
        return;
      }
      default: {
        const { names } = model;
        const name = names[step.pick % Math.max(1, names.length)];
        if (name !== undefined) await this.change(step.op, name);
      }
    }
  }

  private write(block: number, value: number): void {
    const fd = openSync(join(this.directory.path, this.directory.meta.head), "r+");
    writeSync(fd, Buffer.alloc(BLOCK, value), 0, BLOCK, block * BLOCK);
    closeSync(fd);
  }

  private async snapshot(request: SnapshotRequest): Promise<void> {
    const prepared = await prepareSnapshot(this.directory, request, 250);
    this.directory = await commitSnapshot(this.directory, prepared);
    await finishSnapshot(this.directory.path, prepared);
  }

  private async change(op: "revert" | "mark" | "remove" | "purge", name: string): Promise<void> {
    const { model, directory } = this;
    const file = snapshotFile(name);
    const disk = model.disk(name);
    const children = model.children(name);
    switch (op) {
      case "revert":
        if (disk.removed) {
          await assert.rejects(revert(directory, file, CREATED), { code: "REFUSED" });
          return;
        }
        ({ directory: this.directory } = await revert(directory, file, CREATED));
        model.disks.set(null, { parent: name, removed: false, userCreated: false, data: new Map() });
        return;
      case "mark":
        this.directory = await markRemoved(directory, name);
        disk.removed = true;
        return;
      case "remove":
        if (children.length > 1) {
          await assert.rejects(removeDisk(directory, file, false), { code: "REFUSED" });
          return;
        }
        ({ directory: this.directory } = await removeDisk(directory, file, false));
        for (const child of children) model.disk(child).parent = disk.parent;
        model.disks.delete(name);
        return;
      case "purge":
        await this.purge(name, file, disk, children);
    }
  }

  private async purge(
    name: string,
    file: string,
    disk: ModelDisk,
    children: (string | null)[],
  ): Promise<void> {
    if (!disk.removed) {
      assert.throws(() => removalActions(this.directory, file), { code: "REFUSED" });
      return;
    }
    for (const action of removalActions(this.directory, file)) {
      if (action.action === "remove")
        ({ directory: this.directory } = await removeDisk(this.directory, file, false));
      else if (action.action === "replace")
        ({ directory: this.directory } = await replaceDisk(this.directory, action.target, file));
      else if (action.action === "coalesce")
        await foldFile(join(this.directory.path, action.target), join(this.directory.path, file), () => undefined); // prettier-ignore
      else return; // prune changes no content, and is the store's
    }
    const [child] = children;
    if (children.length > 1 || child === null) return;
    if (child !== undefined) {
      const heir = this.model.disk(child);
      heir.data = new Map([...disk.data, ...heir.data]);
      heir.parent = disk.parent;
    }
    this.model.disks.delete(name);
  }

  checkMetadata(): void {
    const { disks, meta, chain } = this.directory;
    assert.equal(meta.size, this.model.blocks * BLOCK);
    assert.equal(disks.size, this.model.disks.size);
    for (const [name, disk] of this.model.disks) {
      const found = disks.get(name === null ? meta.head : snapshotFile(name));
      const parent = disk.parent === null ? "" : snapshotFile(disk.parent);
      const expected = [parent, disk.removed, disk.userCreated];
      assert.deepEqual([found?.parent, found?.removed, found?.userCreated], expected, name ?? "head");
    }
    assert.deepEqual(chain, chainFrom(meta.head, this.directory));
  }

  async checkContents(aside: string): Promise<void> {
    for (const name of this.model.disks.keys()) {
      const top = name === null ? this.directory.meta.head : snapshotFile(name);
      const { layers, backing } = await layersOf(this.directory, chainFrom(top, this.directory), null);
      // Read below a head of its own: a store may write to the last layer.
      const size = this.model.blocks * BLOCK;
      await diskFiles.createSparse(join(aside, top), size);
      layers.push({ path: join(aside, top) });
      const maps = {
        regionMapPath: join(aside, `${top}.regions`),
        missedMapPath: join(aside, `${top}.missed`),
      };
      const store = await openStore(
        { layers, backing, size, cache: "writeback", ...maps, regionSize: 1 << 20, ioThreads: 1 },
        (error) => t.fail(error.message),
      );
      const bytes = await store.read(0, size);
      await store.close();
      const values = Array.from({ length: this.model.blocks }, (_, block) => bytes[block * BLOCK] ?? -1);
      assert.deepEqual(values, this.model.content(name), `content at ${top}`);
    }
  }
}

t.setTimeout(300_000);

t.test("random operations leave the chain that the model has, and its contents", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      const root = scratch(t);
      const path = join(root, "replica");
      mkdirSync(path);
      mkdirSync(join(root, "aside"));
      await createIfEmpty(path, { size: BLOCKS * BLOCK, backingFile: null });
      const run = new Run((await recover(path)).directory);
      for (const step of steps) {
        await run.do(step);
        run.checkMetadata();
      }
      await run.checkContents(join(root, "aside"));
    }),
    { numRuns: 20 },
  );
});
