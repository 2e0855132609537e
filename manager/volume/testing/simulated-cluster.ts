/**
 * Nodes, processes and data of one volume, simulated: what happens to a volume while it is decided about. Knows which copies
 * hold all that was acknowledged, and complains when a decision gives one of them up.
 */
import { homesOf } from "../locality.js";
import { wish } from "../tickets.js";
import { decideVolume } from "../decide.js";
import { counts, isLeftBehind } from "../forced-salvage.js";
import { isToBeRecorded } from "../removal.js";
import { hasData } from "../modes.js";
import { isWholeBeyondDoubt } from "../replica-rules.js";
import { checkSpec, checkStatus } from "../../objects/check.js";
import type { Kind } from "../../objects/kinds.js";
import { isDeleted, type NewResource, type Resource } from "../../objects/resource.js";
import { clusterOf } from "../../schedule/cluster.js";
import { SettingValues } from "../../settings/settings.js";
import type { Plan } from "../world.js";

const GIB = 2 ** 30;

/** Rounds in which an engine refuses a new copy until that is given up. */
const REFUSALS_MAX = 3;

type Instance = Resource<"Engine" | "Replica" | "Witness">;

export class SimulatedCluster {
  now = Date.parse("2030-01-01T00:00:00Z");
  readonly log: string[] = [];
  readonly settings = new Map<string, string>();
  readonly down = new Set<string>();
  readonly nodes: Resource<"Node">[];
  volume: Resource<"Volume"> | null;
  engine: Resource<"Engine"> | null = null;
  replicas: Resource<"Replica">[] = [];
  witnesses: Resource<"Witness">[] = [];
  /** nodes on which no engine can be started */
  readonly unfit = new Set<string>();
  /** copies that no engine takes */
  readonly declined = new Set<string>();
  /** nodes that no engine reaches, although all else does */
  readonly cut = new Set<string>();
  /** nodes whose agents start no replica */
  readonly refusing = new Set<string>();
  /** replicas of other volumes that are being made equal, by node */
  readonly rebuilding = new Map<string, number>();
  /** nodes on whose disks replicas do not end */
  readonly hanging = new Set<string>();
  /** it has as many snapshots as it may have, so that no new copy is taken in */
  isFull = false;
  /** engines tell what they do with a copy that has come back a moment after it runs */
  isLate = false;
  /** of engines */
  starts = 0;
  /** of all processes */
  begun = 0;
  /** when something has to be decided even if nothing changes, as was said last */
  lookAgainAt: number | null = null;
  /** what it has to be attached for while nobody uses it, as was said last */
  upkeep: Plan["upkeep"] = [];
  /** node of the only ticket; "": none */
  ticket = "";
  /** copies that hold all that was acknowledged; empty: nothing was written yet */
  readonly current = new Set<string>();
  /** nobody can have written to it before */
  #wasAttached = false;
  /** processes, in this round */
  readonly #began = new Set<string>();
  /** by new copy, how often */
  readonly #refusals = new Map<string, number>();
  #ports = 10_000;
  #names = 0;

  constructor(nodes: string[], numberOfReplicas: number) {
    this.nodes = nodes.map((name) => this.#node(name));
    const spec = {
      size: String(GIB),
      numberOfReplicas,
      frontend: "blockdev" as const,
      dataEngine: "v1" as const,
    };
    this.volume = make({ kind: "Volume", name: "v", finalizers: ["longhorn.io"], spec });
  }

  #node(name: string): Resource<"Node"> {
    const ready = [
      { type: "Ready", status: "True" },
      { type: "Schedulable", status: "True" },
    ];
    const conditions = ready.map((one) => ({ ...one, reason: "", message: "", lastProbeTime: "", lastTransitionTime: "" })); // prettier-ignore
    const disk = { path: `/${name}`, allowScheduling: true };
    const found = {
      diskUUID: `${name}-disk`,
      diskPath: disk.path,
      storageMaximum: 1000 * GIB,
      storageAvailable: 900 * GIB,
      conditions,
    };
    return make({
      kind: "Node",
      name,
      spec: { name, allowScheduling: true, disks: { d: disk } } as unknown as Resource<"Node">["spec"],
      status: { conditions, diskStatus: { d: found } } as unknown as Resource<"Node">["status"],
    });
  }

  /** One round of decisions, carried out. */
  decide(): void {
    if (this.volume === null) return;
    const wished = wish(this.volume, this.ticket === "" ? [] : [{ id: "t", type: "csi-attacher", nodeID: this.ticket, generation: 0, parameters: {} }], homesOf(this.volume, this.replicas)); // prettier-ignore
    this.volume.spec.nodeID = wished.nodeID;
    this.volume.spec.disableFrontend = wished.disableFrontend;
    for (const node of this.nodes) {
      const condition = node.status.conditions[0];
      if (condition !== undefined) condition.status = this.down.has(node.metadata.name) ? "False" : "True";
    }
    const settings = new SettingValues(this.settings);
    const plan = decideVolume({
      now: this.now,
      volume: this.volume,
      engine: this.engine,
      replicas: this.replicas,
      witnesses: this.witnesses,
      cluster: clusterOf(this.nodes, this.replicas, settings),
      settings,
      reachable: new Set(
        this.nodes.map(({ metadata }) => metadata.name).filter((name) => !this.down.has(name)),
      ),
      rebuilding: this.rebuilding,
      held: new Set(),
      newSuffix: () => (this.#names++).toString(16).padStart(8, "0"),
    });
    for (const { reason, message } of plan.events) this.log.push(`  ${reason}: ${message}`);
    this.lookAgainAt = plan.lookAgainAt;
    this.upkeep = plan.upkeep;
    this.volume = plan.volume;
    if (plan.engine !== null) this.engine = plan.engine;
    const kept = new Map(plan.witnesses.map((witness) => [witness.metadata.name, witness]));
    this.witnesses = this.witnesses.map((witness) => kept.get(witness.metadata.name) ?? witness);
    const gone = new Set(plan.deleted.map(({ metadata }) => metadata.name));
    this.#wasAttached ||= plan.volume.status.state === "attached";
    if (!isDeleted(plan.volume)) {
      if (this.#wasAttached) this.#checkDeletions(gone);
      this.#checkLeftBehind(plan);
      this.#checkDetached(plan);
    }
    const stay = new Map(plan.replicas.map((replica) => [replica.metadata.name, replica]));
    this.replicas = this.replicas.map((replica) => stay.get(replica.metadata.name) ?? replica);
    for (const object of this.#instances()) if (gone.has(object.metadata.name)) markDeleted(object);
    for (const object of plan.created) {
      if (object.kind === "Engine") this.engine = make(object);
      else if (object.kind === "Witness") this.#addWitness(make(object));
      else this.#addReplica(make(object));
      this.log.push(`  made ${object.name}`);
    }
    if (this.volume.metadata.finalizers.length === 0) this.volume = null;
  }

  #checkDeletions(gone: ReadonlySet<string>): void {
    const wanted = this.volume?.spec.numberOfReplicas ?? 0;
    const present = this.replicas.filter((one) => !isDeleted(one) && this.current.has(one.metadata.name));
    const left = present.filter(({ metadata }) => !gone.has(metadata.name));
    if (left.length < Math.min(wanted, present.length))
      throw new Error(`${[...gone].join(", ")} given up: ${left.length} of ${present.length} whole copies would be left, ${wanted} are wanted`); // prettier-ignore
  }

  /** What a salvage has left behind is kept as it is, until the volume serves without it. */
  #checkLeftBehind({ volume, engine, replicas, deleted }: Plan): void {
    for (const replica of replicas) {
      const { name } = replica.metadata;
      const isUsed = replica.spec.desireState === "running" || name in (engine?.spec.replicaAddressMap ?? {});
      if (!counts(replica, volume) && isUsed) throw new Error(`${name} was left behind, and is used`);
    }
    const isGivenUp = deleted.some(
      (one) => one.kind === "Replica" && isLeftBehind(one as Resource<"Replica">),
    );
    if (volume.status.state !== "attached" && isGivenUp)
      throw new Error("what was left behind is given up before the volume serves");
  }

  /** So that what is done to a volume that is detached meets nothing that is about to run. */
  #checkDetached({ volume, engine, replicas }: Plan): void {
    if (volume.status.state !== "detached") return;
    const running = [engine, ...replicas].filter((one) => one?.spec.desireState === "running");
    if (running.length > 0)
      throw new Error(`it is detached, and ${running[0]?.metadata.name ?? ""} is to run`);
  }

  #instances(): Instance[] {
    return [...this.replicas, this.engine, ...this.witnesses].filter((one) => one !== null);
  }

  #addWitness(witness: Resource<"Witness">): void {
    const beside = this.replicas.find((one) => !isDeleted(one) && one.spec.nodeID === witness.spec.nodeID);
    if (beside !== undefined && !witness.spec.voter)
      throw new Error(`${witness.metadata.name} is put beside ${beside.metadata.name}`);
    this.witnesses = [...this.witnesses, witness];
  }

  #addReplica(replica: Resource<"Replica">): void {
    const there = this.replicas.filter((one) => !isDeleted(one) && one.spec.nodeID === replica.spec.nodeID);
    const stays = there.filter(({ spec }) => spec.failedAt === "" && !spec.evictionRequested);
    if (stays.length > 0)
      throw new Error(`${replica.metadata.name} is put beside ${stays[0]?.metadata.name ?? ""}`);
    this.replicas = [...this.replicas, replica];
  }

  /** What processes do in the meantime. */
  work(): void {
    this.#began.clear();
    for (const instance of this.#instances()) this.#workInstance(instance);
    if (this.engine?.status.currentState === "running" && !this.down.has(this.engine.spec.nodeID)) this.#serve(this.engine); // prettier-ignore
  }

  #workInstance(instance: Instance): void {
    const { spec, status, metadata } = instance;
    if (this.down.has(spec.nodeID)) {
      if (status.currentState === "running") status.currentState = "unknown";
      return;
    }
    if (status.currentState === "unknown") status.currentState = "stopped";
    const isHeld = isDeleted(instance) && instance.kind === "Replica" && this.#isHeld(instance as Resource<"Replica">); // prettier-ignore
    const wanted = isDeleted(instance) && !isHeld ? "stopped" : spec.desireState;
    if (wanted === "running" && ["", "stopped"].includes(status.currentState)) this.#begin(instance);
    const isStuck = instance.kind === "Replica" && this.hanging.has(spec.nodeID) && isBegun(status.currentState); // prettier-ignore
    if (wanted === "stopped" && isStuck) status.currentState = "stopping";
    else if (wanted === "stopped" && status.currentState !== "stopped")
      Object.assign(status, { currentState: "stopped", port: 0 });
    if (!isDeleted(instance) || isHeld || !["", "stopped"].includes(status.currentState)) return;
    if (instance.kind === "Engine") this.engine = null;
    this.witnesses = this.witnesses.filter((one) => one !== instance);
    this.replicas = this.replicas.filter((one) => one !== instance);
    this.current.delete(metadata.name);
  }

  /** No engine has recorded that it goes on without it. */
  #isHeld(replica: Resource<"Replica">): boolean {
    const { volume, engine, replicas } = this;
    if (volume === null || isDeleted(volume) || !isToBeRecorded(replica, volume)) return false;
    if (engine?.status.currentState !== "running" || this.down.has(engine.spec.nodeID))
      return replicas.some((one) => one !== replica && isWholeBeyondDoubt(one));
    const { replicaModeMap: modes } = engine.status;
    return modes[replica.metadata.name] !== undefined || !Object.values(modes).includes("RW");
  }

  #begin(instance: Instance): void {
    const { status } = instance;
    if (instance.kind === "Replica" && this.refusing.has(instance.spec.nodeID)) {
      status.currentState = "error";
      return;
    }
    this.begun++;
    this.#began.add(instance.metadata.name);
    Object.assign(status, { currentState: "running", ip: "10.0.0.1", port: this.#ports++ });
    if (!isEngine(instance)) return;
    this.starts++;
    if (this.unfit.has(instance.spec.nodeID)) {
      Object.assign(status, { currentState: "error", port: 0 });
      return;
    }
    const given = Object.keys(instance.spec.replicaAddressMap).filter((name) => this.#serves(name));
    const isAnyRight = this.current.size === 0 || instance.spec.salvageRequested;
    const whole = isAnyRight ? given : given.filter((name) => this.current.has(name));
    instance.status.replicaModeMap = Object.fromEntries(
      given.map((name) => [name, whole.includes(name) ? "RW" : "WO"]),
    );
    instance.status.endpoint = whole.length > 0 ? "/dev/longhorn/v" : "";
    instance.status.currentSize = instance.spec.volumeSize;
    if (whole.length === 0) Object.assign(status, { currentState: "error", port: 0 });
    else this.#setCurrent(whole);
  }

  /** An engine has to do with it. */
  #serves(name: string): boolean {
    const replica = this.replicas.find(({ metadata }) => metadata.name === name);
    const node = replica?.spec.nodeID ?? "";
    return replica?.status.currentState === "running" && !this.down.has(node) && !this.cut.has(node);
  }

  /** What an engine does with its replicas: those it has lost are ERR; those that are back or new are made equal. One that is new, and that it
   * refuses, it does not list: it is ERR when it was refused often enough. */
  #serve({ spec, status }: Resource<"Engine">): void {
    const before = status.replicaModeMap;
    const modes: Record<string, string> = {};
    for (const name of Object.keys(spec.replicaAddressMap)) {
      const was = before[name];
      if (was === undefined && this.#isRefused(name)) {
        const refusals = (this.#refusals.get(name) ?? 0) + 1;
        this.#refusals.set(name, refusals);
        if (refusals >= REFUSALS_MAX) modes[name] = "ERR";
      } else if (!this.#serves(name) || this.#isNew(name) || this.declined.has(name)) modes[name] = "ERR";
      else if (was === "WO") modes[name] = "RW";
      else modes[name] = was === "RW" ? "RW" : "WO";
    }
    const isWhole = (name: string) => modes[name] === "RW";
    // What it is to give up it keeps until it can do without.
    if (!Object.keys(modes).some(isWhole))
      for (const [name, was] of Object.entries(before))
        if (was === "RW" && modes[name] === undefined && this.#serves(name)) modes[name] = was;
    const whole = Object.keys(modes).filter(isWhole);
    // The last one is waited for.
    if (whole.length === 0) return;
    status.replicaModeMap = modes;
    this.#setCurrent(whole);
  }

  #isRefused(name: string): boolean {
    const isEmpty = this.replicas.some((one) => one.metadata.name === name && !hasData(one));
    return isEmpty && (this.isFull || !this.#serves(name) || this.#isNew(name) || this.declined.has(name));
  }

  #isNew(name: string): boolean {
    return this.isLate && this.#began.has(name);
  }

  #setCurrent(whole: readonly string[]): void {
    this.current.clear();
    for (const name of whole) this.current.add(name);
  }

  crash(name: string): void {
    const instance = [...this.replicas, this.engine].find((one) => one?.metadata.name === name);
    if (instance?.status.currentState === "running")
      Object.assign(instance.status, { currentState: "error", port: 0 });
  }

  delete(): void {
    if (this.volume !== null) markDeleted(this.volume);
  }
}

function isBegun(state: string): boolean {
  return ["running", "stopping"].includes(state);
}

function isEngine(instance: Instance): instance is Resource<"Engine"> {
  return instance.kind === "Engine";
}

function markDeleted(object: Resource): void {
  Object.assign(object.metadata, { deletionTimestamp: "2030-01-01T00:00:00Z" });
}

function make<K extends Kind>({
  kind,
  name,
  finalizers = [],
  spec,
  status = {},
}: NewResource<K>): Resource<K> {
  const metadata = { name, uid: name, resourceVersion: "1", generation: 1, creationTimestamp: "", deletionTimestamp: "", finalizers, labels: {}, annotations: {}, ownerReferences: [] }; // prettier-ignore
  return { kind, metadata, spec: checkSpec(kind, name, spec), status: checkStatus(kind, name, status) };
}
