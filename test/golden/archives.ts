/** The archives of real Longhorn data: where they are, and unpacking them so that holes stay holes. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Of one replica folder; see the README beside the archives. */
export interface GoldenReplica {
  volume_name: string;
  volume_size: number;
  replica_dir: string;
  volume_meta: { Dirty: boolean; Rebuilding: boolean; BackingFilePath: string };
  files: Record<string, { size: number; allocated?: number; sha256?: string }>;
  /** absent when nobody may rely on the content */
  content_sha256?: string;
  revision_counter?: number | null;
  snapshots?: Record<string, { sha256: string; note?: string }>;
  backing_image?: { file_in_archive: string };
}

export interface GoldenArchive extends GoldenReplica {
  name: string;
  archive: string;
  other_replicas?: GoldenReplica[];
}

/** f_type of file systems that keep holes in 4 KiB blocks and tell them by FIEMAP. */
const SPARSE_FILE_SYSTEMS = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
]);

export const projectRoot = rootOf(dirname(fileURLToPath(import.meta.url)));

function rootOf(directory: string): string {
  return existsSync(join(directory, "package.json")) ? directory : rootOf(dirname(directory));
}

export function archiveFolder(): string {
  return aboutLonghorn("golden", "replicas");
}

/** Where something about Longhorn lies beside the checkout.
 * @throws when it is not there: its absence must not pass for success */
export function aboutLonghorn(...path: string[]): string {
  const shared = process.env["AUROCHS_SHARED"] ?? join(projectRoot, "..", "shared");
  const found = join(shared, "longhorn", ...path);
  if (existsSync(found)) return found;
  throw new Error(`${found} is missing (AUROCHS_SHARED may name the folder above longhorn/)`);
}

export function readManifests(folder: string): GoldenArchive[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as GoldenArchive);
}

/** A new directory on a file system where allocation survives. */
export function sparseScratch(): string {
  const candidates = [tmpdir(), "/var/tmp", projectRoot];
  const fit = candidates.find((path) => existsSync(path) && SPARSE_FILE_SYSTEMS.has(statfsSync(path).type));
  if (fit !== undefined) return mkdtempSync(join(fit, "aurochs-golden-"));
  throw new Error(`none of ${candidates.join(", ")} is on ${[...SPARSE_FILE_SYSTEMS.values()].join(" or ")}`);
}

export function unpack(archive: string, into: string): void {
  execFileSync("tar", ["--sparse", "-xzf", archive, "-C", into]);
  // Blocks are counted exactly only when they are allocated, which ext4 puts off.
  execFileSync("sync", ["--file-system", into]);
}
