/** A small cluster whose manager's loops are real; its engines, processes and nodes are not. */
import { pino, type Logger } from "pino";
import type { Test } from "tap";
import type { Events } from "../events/events.js";
import type { Kind, SpecOf } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import { addNodes } from "../rest/testing/world.js";
import { loadSettings } from "../settings/stored.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { modify, type Store } from "../store/store.js";
import { addTicket, dropTicket } from "../volume/attach.js";
import { startAttachmentLoop } from "../volume/attachment-loop.js";
import { newVolume } from "../volume/creation.js";
import { startVolumeLoop } from "../volume/volume-loop.js";
import { changeAttachment } from "../volume/work-tickets.js";
import { FakeEngines } from "./fake-engines.js";
import { runProcesses } from "./processes.js";

export const GIB = 2 ** 30;

export class LoopRig {
  readonly engines: FakeEngines;
  /** rebuilds do not end */
  holdsRebuilds = false;
  /** "Kind name Reason", in order */
  readonly told: string[] = [];
  readonly log: Logger = pino({ level: process.env["LOG_LEVEL"] ?? "silent" });

  private constructor(readonly store: Store) {
    this.engines = new FakeEngines(store);
  }

  /** @param start the loops that are tested, beside those of volumes and attachments */
  static async start(
    t: Test,
    start: (rig: LoopRig) => { stop: () => Promise<void> }[],
    settings: Record<string, string> = {},
  ): Promise<LoopRig> {
    const store = SqliteStore.open(":memory:");
    const rig = new LoopRig(store);
    await addNodes({ store });
    for (const [name, value] of Object.entries(settings)) await rig.set(name, value);
    const endProcesses = runProcesses(store, () => rig.holdsRebuilds);
    const loops = [
      startVolumeLoop(store, rig.events, rig.log),
      startAttachmentLoop(store, rig.log),
      ...start(rig),
    ];
    t.teardown(async () => {
      endProcesses();
      for (const loop of loops) await loop.stop();
      await store.close();
    });
    return rig;
  }

  readonly events: Events = {
    record: ({ object, reason }) => this.told.push(`${object.kind} ${object.name} ${reason}`),
    list: () => Promise.resolve([]),
    watch: () => () => undefined,
    close: () => Promise.resolve(),
  };

  async set(name: string, value: string): Promise<void> {
    const changed = await modify(this.store, "Setting", name, "spec", ({ spec }) => {
      spec.value = value;
    });
    if (changed === null) await this.store.create({ kind: "Setting", name, spec: { value } });
  }

  async setReady(node: string, isReady: boolean): Promise<void> {
    await modify(this.store, "Node", node, "status", ({ status }) => {
      for (const condition of status.conditions)
        if (condition.type === "Ready") condition.status = isReady ? "True" : "False";
    });
  }

  async makeVolume(
    name: string,
    spec: Partial<SpecOf<"Volume">> = {},
    labels: Record<string, string> = {},
  ): Promise<Resource<"Volume">> {
    const settings = await loadSettings(this.store);
    const given = { size: String(GIB), numberOfReplicas: 2, ...spec };
    await this.store.create(newVolume(name, given, labels, settings));
    return this.until("Volume", name, ({ status }) => !["", "creating"].includes(status.state));
  }

  async attach(name: string, nodeID: string, disableFrontend = false): Promise<Resource<"Volume">> {
    const volume = await this.need("Volume", name);
    await changeAttachment(this.store, volume, ({ spec }) =>
      addTicket(spec, { id: "user", type: "longhorn-api", nodeID, disableFrontend, attachedBy: "" }),
    );
    return this.until("Volume", name, ({ status }) => status.state === "attached" && status.robustness === "healthy"); // prettier-ignore
  }

  async detach(name: string): Promise<Resource<"Volume">> {
    await changeAttachment(this.store, await this.need("Volume", name), ({ spec }) =>
      dropTicket(spec, "user", ""),
    );
    return this.until("Volume", name, ({ status }) => status.state === "detached");
  }

  /** Ids of a volume's tickets. */
  async tickets(name: string): Promise<string[]> {
    return Object.keys((await this.store.get("VolumeAttachment", name))?.spec.attachmentTickets ?? {});
  }

  async need<K extends Kind>(kind: K, name: string): Promise<Resource<K>> {
    const object = await this.store.get(kind, name);
    if (object === null) throw new Error(`no ${kind} ${name}`);
    return object;
  }

  until<K extends Kind>(
    kind: K,
    name: string,
    reached: (object: Resource<K>) => boolean,
  ): Promise<Resource<K>> {
    return new Promise((resolve) => {
      const end = this.store.watch(kind, {
        onChange: ({ change, object }) => {
          if (object.metadata.name !== name || change === "DELETED" || !reached(object)) return;
          end();
          resolve(object);
        },
      });
    });
  }

  untilGone(kind: Kind, name: string): Promise<void> {
    return new Promise((resolve) => {
      let isThere = false;
      const end = this.store.watch(kind, {
        onChange: ({ change, object }) => {
          if (object.metadata.name !== name) return;
          isThere = change !== "DELETED";
          if (!isThere) finish();
        },
        onSynced: () => {
          if (!isThere) finish();
        },
      });
      const finish = () => {
        end();
        resolve();
      };
    });
  }
}
