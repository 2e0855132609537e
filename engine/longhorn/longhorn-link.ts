/**
 * One of Longhorn's own replicas in the place of one of ours. It has no record, no fencing and no map of what was written:
 * what is asked of it is answered by what Longhorn's service tells, and what it cannot keep is kept by others
 * (ARCHITECTURE.md "Longhorn's replicas").
 */
import type { InheritedRegionsReply, MemberRecord, ReplicaFacts } from "../../proto/control.js";
import type { Replica } from "../../proto/longhorn.js";
import { connectReplica, type ReplicaConnection } from "../client/connections.js";
import { parseHostPort } from "../host-port.js";
import { CONTROL_TIMEOUT_MS, IDENTIFY_TIMEOUT_MS } from "../limits.js";
import { ReplicaLink, type MissedRegions } from "../replica-link.js";
import { DATA_PORT_OFFSET, REGION_BYTES } from "./limits.js";

const ID_PREFIX = "longhorn:";

/** Whether a record names one of Longhorn's replicas by this. */
export function isLonghornId(replicaId: string): boolean {
  return replicaId.startsWith(ID_PREFIX);
}

export class LonghornLink extends ReplicaLink {
  #connection: Pick<ReplicaConnection, "call" | "close"> | null = null;
  #record: MemberRecord | null = null;
  #size = 0;

  /** @param address `host:port` of its gRPC port
   * @param clean it was closed in order, so that it may be equal to others
   * @param dataSocket path of the unix socket where its data are served; null: they have a port, beside that of gRPC */
  constructor(
    address: string,
    private readonly volume: string,
    private readonly clean: boolean,
    private readonly dataSocket: string | null = null,
  ) {
    super(address);
  }

  /** Longhorn's replicas have no id of their own. */
  get id(): string {
    return ID_PREFIX + this.name;
  }

  /** What it is known by from one start to the next. */
  protected get name(): string {
    return this.address;
  }

  protected connect(): Pick<ReplicaConnection, "call" | "close"> {
    return connectReplica(this.address, { volumeName: this.volume });
  }

  async get(): Promise<Replica> {
    const { replica } = await this.#ask(
      `failed to get replica ${this.address}`,
      (calls, options) => calls.replicaGet({}, options),
      IDENTIFY_TIMEOUT_MS,
    );
    if (replica === null) throw new Error(`replica ${this.address} says nothing about itself`);
    return replica;
  }

  /** Nothing lies below its head: what is unmapped reads as zeroes for good. */
  async isFlat(): Promise<boolean> {
    return Object.keys((await this.get()).disks).length === 1;
  }

  override async identify(): Promise<ReplicaFacts> {
    const replica = await this.get();
    if (!["open", "dirty", "rebuilding"].includes(replica.state))
      throw new Error(`replica ${this.address} is ${replica.state}`);
    const { port } = parseHostPort(this.address);
    this.#size = Number(replica.size);
    return {
      volume: this.volume,
      replicaId: this.id,
      size: this.#size,
      record: this.#record,
      lostWrites: false,
      inheritedRegions: this.clean ? 0 : Math.ceil(this.#size / REGION_BYTES),
      regionSize: REGION_BYTES,
      bootId: "",
      directory: "",
      dataPort: this.dataSocket === null ? port + DATA_PORT_OFFSET : 0,
      dataSocket: this.dataSocket ?? "",
      revision: replica.revisionCounterDisabled ? 0 : replica.revisionCounter,
      allocated: Object.values(replica.disks).reduce((sum, { size }) => sum + Number(size), 0),
      chain: replica.chain,
      opening: "",
      chainCreated: replica.chain.map((name) => replica.disks[name]?.created ?? ""),
      snapshots: [],
      unfit: "",
      rebuildInterrupted: false,
      heldGeneration: this.#record?.generation ?? 0,
      witness: false,
      backing: "",
    };
  }

  override identifyFor(): Promise<ReplicaFacts> {
    return this.identify();
  }

  override recorded(): Promise<MemberRecord | null> {
    return Promise.resolve(this.#record);
  }

  /** For as long as this engine lives. */
  override record(_volume: string, _id: string, record: MemberRecord): Promise<void> {
    this.#record = record;
    return Promise.resolve();
  }

  /** After anything but an orderly end it may differ anywhere. */
  override inheritedRegions(): Promise<InheritedRegionsReply> {
    const bitmap = new Uint8Array(Math.ceil(this.#size / REGION_BYTES / 8));
    return Promise.resolve({ regionSize: REGION_BYTES, bitmap: this.clean ? bitmap : bitmap.fill(0xff) });
  }

  override missedRegions(): Promise<MissedRegions> {
    return Promise.resolve({ since: 0, regionSize: REGION_BYTES, bitmap: new Uint8Array() });
  }

  override agreed(): Promise<void> {
    return Promise.resolve();
  }

  override release(): Promise<void> {
    return Promise.resolve();
  }

  override prepareSnapshot(): Promise<void> {
    return Promise.reject(new Error("Longhorn's replicas take snapshots as a whole"));
  }

  override abandonSnapshot(): Promise<void> {
    return Promise.resolve();
  }

  /** Longhorn's own mark of a replica that is no whole copy: no engine of its or ours uses it beside others before it is
   * rebuilt. Durable as its metadata are. */
  async setRebuilding(rebuilding: boolean): Promise<void> {
    await this.#ask(
      `failed to set rebuilding to ${rebuilding} for replica ${this.address}`,
      (calls, options) => calls.rebuildingSet({ rebuilding }, options),
      CONTROL_TIMEOUT_MS,
    );
  }

  override close(): void {
    super.close();
    this.#connection?.close();
    this.#connection = null;
  }

  #ask: ReplicaConnection["call"] = (doing, run, timeoutMs) => {
    this.#connection ??= this.connect();
    return this.#connection.call(doing, run, timeoutMs);
  };
}

export function isLonghorn(link: ReplicaLink): link is LonghornLink {
  return link instanceof LonghornLink;
}
