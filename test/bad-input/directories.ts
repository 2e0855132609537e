/** Replica directories as a test finds, copies and damages them. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The one file that may change: it names the last daemon that tried. */
const LOCK = "aurochs.lock";

/** @returns a hash of each file's content, by name; sub-directories as such */
export function hashes(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { withFileTypes: true }).filter(({ name }) => name !== LOCK);
  return Object.fromEntries(
    entries
      .map((entry): [string, string] => {
        if (!entry.isFile()) return [entry.name, "not a file"];
        const content = readFileSync(join(directory, entry.name));
        return [entry.name, createHash("sha256").update(content).digest("hex")];
      })
      .sort(),
  );
}

/** Holes stay holes. */
export function copyDirectory(from: string, to: string): void {
  execFileSync("cp", ["-a", "--sparse=always", from, to]);
}

/** A file system of its own. @returns what unmounts it */
export function mountSmall(path: string, bytes: number): () => void {
  const image = `${path}.img`;
  mkdirSync(path);
  writeFileSync(image, "");
  truncateSync(image, bytes);
  execFileSync("mkfs.ext4", ["-q", image]);
  execFileSync("mount", ["-o", "loop", image, path]);
  return () => execFileSync("umount", ["-l", path]);
}

/** The same directory, seen read-only elsewhere. @returns what unmounts it */
export function mountReadOnly(directory: string, path: string): () => void {
  mkdirSync(path);
  execFileSync("mount", ["--bind", directory, path]);
  execFileSync("mount", ["-o", "remount,ro,bind", path]);
  return () => execFileSync("umount", ["-l", path]);
}

/** Takes all space of a file system, also what is kept for root. @returns the file that did */
export function fillUp(directory: string): string {
  const path = join(directory, "filler");
  // What ext4 keeps back while blocks are not written yet is free afterwards.
  for (const blockSize of [4096, 1024, 1024]) {
    const { status } = spawnSync("dd", ["if=/dev/zero", `of=${path}`, `bs=${blockSize}`, "oflag=append", "conv=notrunc"]); // prettier-ignore
    // It ends with an error once nothing fits any more.
    if (status === 0) throw new Error(`${directory} cannot be filled up`);
    execFileSync("sync", ["--file-system", directory]);
  }
  return path;
}
