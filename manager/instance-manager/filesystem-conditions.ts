/** Whether the file system on a volume that is attached here has become read-only: Longhorn's condition of its engine. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { engineVolumeOf } from "./instance-name.js";
import type { Instances } from "./instances.js";
import { MOUNTS_PERIOD_MS } from "./limits.js";

export const FILESYSTEM_READ_ONLY = "FilesystemReadOnly";

/** The machine's own, in a container that is shown it. */
export function mountTablePath(): string {
  return existsSync("/host/proc/1/mounts") ? "/host/proc/1/mounts" : "/proc/self/mounts";
}

/** Where kubelet mounts a volume of the CSI driver for all who use it on the node. */
function globalMountSuffix(volume: string): string {
  return `/driver.longhorn.io/${createHash("sha256").update(volume).digest("hex")}/globalmount`;
}

/** @param mounts as /proc/mounts has them
 * @returns null when the volume is not mounted */
export function globalMountOf(mounts: string, volume: string): { path: string; readOnly: boolean } | null {
  const suffix = globalMountSuffix(volume);
  for (const line of mounts.split("\n")) {
    const [, path = "", , options = ""] = line.split(" ");
    if (path.endsWith(suffix)) return { path, readOnly: options.split(",").includes("ro") };
  }
  return null;
}

/** @returns what ends it */
export function watchFilesystems(instances: Instances, path = mountTablePath()): () => void {
  const look = async () => {
    const running = instances.list().flatMap((instance) => {
      const volume = engineVolumeOf(instance.name);
      return volume !== null && instance.record.status.state === "running" ? [{ instance, volume }] : [];
    });
    if (running.length === 0) return;
    const mounts = await readFile(path, "utf8");
    for (const { instance, volume } of running)
      instance.setCondition(FILESYSTEM_READ_ONLY, globalMountOf(mounts, volume)?.readOnly ?? false);
  };
  const timer = setInterval(() => void look().catch(() => undefined), MOUNTS_PERIOD_MS);
  return () => clearInterval(timer);
}
