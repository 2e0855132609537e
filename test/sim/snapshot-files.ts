/** The snapshots of one replica, read from its directory as whoever takes the disk out would, without any code of the product. */
import type { Inode } from "./disk.js";
import type { Machine } from "./machine.js";
import { Violation, type Model } from "./model.js";
import { BLOCK_SECTORS } from "./sectors.js";

interface DiskFile {
  inode: Inode;
  parent: string;
  removed: boolean;
  userCreated: boolean;
}

const SNAPSHOT = /^volume-snap-(.+)\.img$/;

export class SnapshotFiles {
  private readonly disks = new Map<string, DiskFile>();
  readonly isBusy: boolean;

  constructor(private readonly machine: Machine) {
    const { disk, directory, replica } = machine;
    for (const [path, inode] of disk.names) {
      const file = path.slice(directory.length + 1);
      if (!path.startsWith(`${directory}/`) || !SNAPSHOT.test(file)) continue;
      const text = disk.names.get(`${path}.meta`)?.text.content.toString() ?? "";
      if (text === "") continue;
      const meta = JSON.parse(text) as { Parent: string; Removed: boolean; UserCreated: boolean };
      const { Parent: parent, Removed: removed, UserCreated: userCreated } = meta;
      this.disks.set(file, { inode, parent, removed, userCreated });
    }
    this.isBusy = replica?.hosted?.current?.purge.status.isPurging !== false;
  }

  /** Bare names of those that a user took and that are not marked as removed. The others each replica's purge marks. */
  get names(): string[] {
    return [...this.disks]
      .filter(([, { removed, userCreated }]) => userCreated && !removed)
      .map(([file]) => SNAPSHOT.exec(file)?.[1] ?? "")
      .sort();
  }

  /** All that a snapshot shows, by block. */
  contentOf(name: string): Map<number, Int32Array> {
    const content = new Map<number, Int32Array>();
    for (let file = `volume-snap-${name}.img`; file !== "";) {
      const disk = this.disks.get(file);
      if (disk === undefined)
        throw new Violation(`${this.machine.name}: ${file}, a parent of ${name}, is missing`);
      for (const [block, sectors] of disk.inode.data.blocks)
        if (!content.has(block)) content.set(block, sectors);
      file = disk.parent;
    }
    return content;
  }

  /** @throws {Violation} one is missing, holds what it may not, or differs from that of another replica */
  static check(replicas: readonly SnapshotFiles[], model: Model): void {
    const { snapshots, rotten } = model;
    const [first, ...others] = replicas;
    if (first === undefined) return;
    // One whose removal was broken off may be marked at some alone.
    const kept = ({ names }: SnapshotFiles) => names.filter((name) => snapshots.isKept(name));
    for (const other of others) {
      const [here, there] = [first, other].map((files) => kept(files).join(", "));
      if (here !== there)
        throw new Violation(
          `${first.machine.name} has the snapshots ${here}; ${other.machine.name} ${there}`,
        );
    }
    const names = new Set(kept(first));
    for (const snapshot of snapshots.kept()) {
      if (snapshot.state === "taken" && !names.has(snapshot.name))
        throw new Violation(`snapshot ${snapshot.name} is gone`);
    }
    const known = new Map(snapshots.kept().map((snapshot) => [snapshot.name, snapshot]));
    for (const name of names) {
      const content = first.contentOf(name);
      for (const other of others)
        checkEqual(model, name, first.machine.name, content, other.machine.name, other.contentOf(name));
      const snapshot = known.get(name);
      if (snapshot === undefined) continue;
      const check = (sector: number): void => {
        const value = valueOf(content, sector);
        if (!rotten.has(value) && !snapshots.mayHold(snapshot, sector, value))
          throw new Violation(
            `sector ${sector} of snapshot ${name} holds ${value}, allowed: ${(snapshot.values.get(sector) ?? [0]).join(", ")}`,
          );
      };
      for (const sector of snapshot.values.keys()) check(sector);
      for (const block of content.keys())
        for (let at = 0; at < BLOCK_SECTORS; at++) {
          const sector = block * BLOCK_SECTORS + at;
          if (!snapshot.values.has(sector)) check(sector);
        }
    }
  }
}

function valueOf(content: ReadonlyMap<number, Int32Array>, sector: number): number {
  return content.get(Math.floor(sector / BLOCK_SECTORS))?.[sector % BLOCK_SECTORS] ?? 0;
}

function checkEqual(
  model: Model,
  name: string,
  here: string,
  one: ReadonlyMap<number, Int32Array>,
  there: string,
  other: ReadonlyMap<number, Int32Array>,
): void {
  const compare = (block: number): void => {
    const [sectors, others] = [one.get(block), other.get(block)];
    if (sectors === others) return;
    for (let at = 0; at < BLOCK_SECTORS; at++) {
      const [a, b] = [sectors?.[at] ?? 0, others?.[at] ?? 0];
      if (!model.agree(a, b))
        throw new Violation(
          `snapshot ${name} differs in sector ${block * BLOCK_SECTORS + at}: ${a} at ${here}, ${b} at ${there}`,
        );
    }
  };
  for (const block of one.keys()) compare(block);
  for (const block of other.keys()) if (!one.has(block)) compare(block);
}
