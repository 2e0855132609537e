/** Temporary directories for the tests of this folder. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new directory that is removed at the end of the test. */
export function scratch(t: { teardown: (fn: () => void) => void }): string {
  const path = mkdtempSync(join(tmpdir(), "aurochs-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const MEMORY = "/dev/shm";

/** The same in memory, where there is such a place: for thousands of small files that are all synced. */
export function scratchInMemory(t: { teardown: (fn: () => void) => void }): string {
  const path = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), "aurochs-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
