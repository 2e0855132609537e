/** A recurring job gives back what file systems do not use: files that were removed take no room on the replicas' disks any more. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { run, waitFor } from "../tools/process.js";
import { CsiSystem, mounted, NODE } from "./system.js";

const MIB = 1 << 20;
const options = { timeoutMs: 110_000 };
/** ms: the job is due once a minute. */
const JOB_MS = 120_000;
const JOB = "trim";
const REMOVED_BYTES = 96 * MIB;
const KEPT = randomBytes(8 * MIB);

const volumeCapability = mounted("xfs");

const system = await CsiSystem.start();
t.teardown(() => system.end());
await system.startDriver();
const { controller, node, close } = system.clients();
t.teardown(close);
const { manager } = system;

class MountedVolume {
  private constructor(
    private readonly id: string,
    private readonly path: string,
  ) {}

  static async make(name: string, parameters: Record<string, string>): Promise<MountedVolume> {
    const recurringJobSelector = JSON.stringify([{ name: JOB, isGroup: false }]);
    const { volume } = await controller.createVolume({ name, capacityRange: { requiredBytes: 320 * MIB, limitBytes: 0 }, volumeCapabilities: [volumeCapability], parameters: { numberOfReplicas: "2", recurringJobSelector, ...parameters } }, options); // prettier-ignore
    const made = new MountedVolume(volume?.volumeId ?? "", join(system.directory, "pods", name));
    mkdirSync(made.#staging);
    return made;
  }

  get #staging(): string {
    return `${this.path}-staging`;
  }

  async mount(): Promise<void> {
    const place = { volumeId: this.id, stagingTargetPath: this.#staging, volumeCapability };
    await controller.controllerPublishVolume({ volumeId: this.id, nodeId: NODE, volumeCapability }, options);
    await node.nodeStageVolume(place, options);
    await node.nodePublishVolume({ ...place, targetPath: this.path }, options);
  }

  async unmount(): Promise<void> {
    await node.nodeUnpublishVolume({ volumeId: this.id, targetPath: this.path }, options);
    await node.nodeUnstageVolume({ volumeId: this.id, stagingTargetPath: this.#staging }, options);
    await controller.controllerUnpublishVolume({ volumeId: this.id, nodeId: NODE }, options);
    await waitFor("the volume to be detached", options.timeoutMs, async () =>
      (await manager.get("volumes", this.id))?.state === "detached" ? true : undefined,
    );
  }

  async write(name: string, bytes: Buffer): Promise<void> {
    writeFileSync(join(this.path, name), bytes);
    await this.#sync();
  }

  read(name: string): Buffer {
    return readFileSync(join(this.path, name));
  }

  async remove(name: string): Promise<void> {
    rmSync(join(this.path, name));
    await this.#sync();
  }

  #sync(): Promise<string> {
    return run("sync", ["-f", this.path]);
  }

  async snapshot(when: string): Promise<void> {
    await controller.createSnapshot({ name: `${this.id}-${when}`, sourceVolumeId: this.id, parameters: { type: "snap" } }, options); // prettier-ignore
  }

  /** @returns those that are there, and whether they are marked as removed */
  async snapshots(): Promise<Record<string, boolean>> {
    const { data } = await manager.act("volumes", this.id, "snapshotCRList", {});
    return Object.fromEntries(data.map(({ name, markRemoved }) => [name, markRemoved]));
  }

  /** @returns bytes that each copy takes on its disk */
  async used(): Promise<number[]> {
    const { replicas } = (await manager.get("volumes", this.id)) ?? { replicas: [] };
    return replicas.map(({ dataPath }) =>
      readdirSync(dataPath).reduce((sum, name) => sum + bytesOnDisk(join(dataPath, name)), 0),
    );
  }
}

/** A purge may take it away meanwhile. */
function bytesOnDisk(path: string): number {
  return 512 * (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0);
}

t.test("the room of removed files comes back, that in snapshots where it may", async (t) => {
  const plain = await MountedVolume.make("plain", {});
  const marking = await MountedVolume.make("marking", { unmapMarkSnapChainRemoved: "enabled" });
  const keeping = await MountedVolume.make("keeping", {});
  for (const volume of [plain, marking, keeping]) {
    await volume.mount();
    await volume.write("kept", KEPT);
    if (volume !== plain) await volume.snapshot("before");
    await volume.write("removed", randomBytes(REMOVED_BYTES));
    if (volume !== plain) await volume.snapshot("after");
    await volume.remove("removed");
    for (const bytes of await volume.used()) t.ok(bytes > REMOVED_BYTES, "it takes room still");
  }

  await manager.create("recurringjobs", { name: JOB, task: "filesystem-trim", cron: "* * * * *" });
  for (const volume of [plain, marking])
    await waitFor("the room to come back", JOB_MS, async () =>
      (await volume.used()).every((bytes) => bytes < REMOVED_BYTES / 2) ? true : undefined,
    );
  await waitFor("the older snapshot to be gone", JOB_MS, async () => {
    const { "marking-before": before, "marking-after": after } = await marking.snapshots();
    // The head lies on the other one: that goes when there is another one.
    return before === undefined && after === true ? true : undefined;
  });
  await t.rejects(marking.snapshot("after"), { message: /was removed meanwhile/ });
  t.strictSame(await keeping.snapshots(), { "keeping-before": false, "keeping-after": false });
  for (const bytes of await keeping.used()) t.ok(bytes > REMOVED_BYTES);
  const warnings = (await manager.list("events")).filter(({ event }) => event.involvedObject.name === JOB && event.type === "Warning"); // prettier-ignore
  t.strictSame(warnings, []);
  await manager.delete("recurringjobs", JOB);

  for (const volume of [plain, marking, keeping]) {
    await volume.unmount();
    await volume.mount();
    t.ok(volume.read("kept").equals(KEPT), "what was not removed is there");
    await volume.unmount();
  }
});
