/**
 * The managed world, with disks that rot. What is promised: hashing finds it in a snapshot whose checksum was recorded, and such a
 * snapshot is nobody else's source. Nothing protects a head, or what is read of a sector that has rotted: all others are judged as ever.
 */
import { hashSnapshot, hashStatus } from "../../engine/client/snapshots.js";
import { formatChangeTime, parseChecksumFile, type RecordedChecksum } from "../../replica/checksum-file.js";
import { sleep } from "./clock.js";
import type { Inode } from "./disk.js";
import type { Machine } from "./machine.js";
import { ManagedWorld } from "./managed-world.js";
import { Violation } from "./model.js";

const HEAD = /^volume-head-\d+\.img$/;
const HASHED_MS = 100;

interface Rot {
  machine: Machine;
  file: string;
  inode: Inode;
  value: number;
  /** a checksum of what it was is on record */
  isKnown: boolean;
}

export class RotWorld extends ManagedWorld {
  private readonly rot_: Rot[] = [];

  /** @param index of the snapshot; null: the head */
  rot(machine: Machine, index: number | null): void {
    const name = index === null ? null : this.pick(index);
    const { disk, directory } = machine;
    const isMeant = (file: string) => (index === null ? HEAD.test(file) : file === fileOf(name));
    const paths = [...disk.names.keys()].filter((path) => isMeant(path.slice(directory.length + 1)));
    const path = paths.at(-1);
    if (path === undefined) return;
    const inode = disk.find(path);
    const { random } = this.simulation;
    const [block] = inode.data.blocks.size > 0 ? random.pick([...inode.data.blocks]) : [null];
    if (block === null) return;
    // No write has such a value.
    const value = -1 - this.rot_.length;
    const recorded = recordedOf(machine, path);
    const isKnown = recorded !== null && isOf(recorded, inode) && !recorded.silentlyCorrupted;
    inode.data.rot(block, random.below(8), value);
    this.model.rotten.add(value);
    this.rot_.push({ machine, file: path.slice(directory.length + 1), inode, value, isKnown });
    this.trace(
      `ROT of block ${block} of ${path}, ${isKnown ? "whose checksum is known" : "of unknown checksum"}`,
    );
  }

  /** What rotted is no matter of the others' look (`Model.rotten`); all else is as in any world. */
  protected override checkAll(): boolean {
    if (!super.checkAll()) return false;
    for (const { file, isKnown } of this.rot_) if (isKnown && !this.rehash(nameOf(file))) return false;
    for (const rot of this.rot_) if (rot.isKnown) this.judge(rot);
    return true;
  }

  /** @returns false when that is not possible just now */
  private rehash(name: string): boolean {
    const end = { ended: false, isHashed: false };
    const hash = this.ask(`hash ${name} again`, async (volume) => {
      await hashSnapshot(volume, name, true);
      for (const { address } of this.replicas)
        while ((await hashStatus(volume, address, name)).state === "in_progress") await sleep(HASHED_MS);
      return true;
    });
    hash.then(
      () => Object.assign(end, { ended: true, isHashed: true }),
      () => (end.ended = true),
    );
    this.runUntil(() => end.ended);
    return end.isHashed;
  }

  private judge({ machine, file, inode, value }: Rot): void {
    for (const other of this.replicas) {
      const path = `${other.directory}/${file}`;
      const found = other.disk.names.get(path);
      if (found === undefined || !holds(found, value)) continue;
      if (other !== machine)
        throw new Violation(`rot in ${file} of ${machine.name} has come to ${other.name}`);
      const recorded = recordedOf(machine, path);
      if (found !== inode || recorded?.silentlyCorrupted !== true)
        throw new Violation(`rot in ${file} of ${machine.name} was hashed, and is not told of`);
    }
  }
}

function fileOf(name: string | null): string {
  return `volume-snap-${name ?? ""}.img`;
}
function nameOf(file: string): string {
  return file.slice("volume-snap-".length, -".img".length);
}

function recordedOf({ disk }: Machine, path: string): RecordedChecksum | null {
  const text = disk.names.get(`${path}.checksum`)?.text.content.toString() ?? "";
  return text === "" ? null : parseChecksumFile(text, path);
}

function isOf({ checksum, changeTime }: RecordedChecksum, { ctimeNs }: Inode): boolean {
  return checksum !== "" && changeTime === formatChangeTime(ctimeNs);
}

function holds({ data }: Inode, value: number): boolean {
  return [...data.blocks.values()].some((sectors) => sectors.includes(value));
}
