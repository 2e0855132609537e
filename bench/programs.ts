/** Says what is not installed before anything is started. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter } from "node:path";
import type { SetupKind } from "./setup.js";

async function isInstalled(program: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  for (const folder of folders) {
    const found = await access(`${folder}/${program}`, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/** @throws {Error} naming the Debian packages that are missing */
export async function checkPrograms(targets: readonly SetupKind[]): Promise<void> {
  const missing = new Set<string>();
  for (const { needs } of targets) {
    for (const need of needs) {
      if (!(await isInstalled(need.program))) missing.add(need.package);
    }
  }
  if (missing.size > 0) throw new Error(`not installed (Debian packages): ${[...missing].join(", ")}`);
}
