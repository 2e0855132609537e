/** Longhorn's ReplicaService: its calls, their conditions and texts. What a call does to files is elsewhere. */
import type { OpeningRequest } from "../proto/control.js";
import { ReplicaService, type Replica } from "../proto/longhorn.js";
import type { Handlers } from "../proto/unary.js";
import { decideChange, decideClose, decideEngine } from "./decide.js";
import { lookAt, openDirectory } from "./directory.js";
import type { HostedReplica, HostedState } from "./hosted-replica.js";
import type { LiveChain } from "./live-chain.js";
import { lockDirectory } from "./lock.js";
import { readRecord } from "./member-record.js";
import type { SnapshotSettings } from "./open.js";
import type { OpenReplica } from "./open-replica.js";
import { deleteReplica } from "./ops/delete.js";
import { expansionError } from "./expansion-error.js";
import { removalActions } from "./ops/prepare-remove.js";
import { labelsOf } from "./ops/snapshot.js";
import { accepted } from "./replica-decisions.js";
import { ReplicaError } from "./replica-error.js";
import { closedInfo, openInfo, stateOf, type LonghornState } from "./replica-info.js";
import type { VolumeMeta } from "./volume-meta.js";

interface Reply {
  replica: Replica;
}

/** Each call is made for whoever asks. */
export function longhornHandlers(hosted: HostedReplica): Handlers<typeof ReplicaService> {
  const names = Object.keys(ReplicaService) as (keyof typeof ReplicaService)[];
  const handlers = names.map((name) => {
    const handle = (request: never, engine: OpeningRequest | null) =>
      new LonghornReplica(hosted, engine)[name](request);
    return [name, handle] as const;
  });
  return Object.fromEntries(handlers) as unknown as Handlers<typeof ReplicaService>;
}

class LonghornReplica implements Handlers<typeof ReplicaService> {
  /** @param engine one of ours, which asks; null: somebody else does */
  constructor(
    private readonly hosted: HostedReplica,
    private readonly engine: OpeningRequest | null,
  ) {}

  replicaGet = (): Promise<Reply> => this.hosted.run((state) => this.reply(state));

  /** Only an initial replica is created; any other is left as it is. */
  replicaCreate = ({ size }: { size: string }): Promise<Reply> =>
    this.turn(async (state) => {
      if (state.state !== "closed" || (await this.closed()).state !== "initial") return;
      if (!/^\d*$/.test(size))
        throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(size)}: invalid syntax`);
      if (Number(size) === 0) throw new Error("file does not exist");
      await this.hosted.open(Number(size));
      await this.hosted.shut();
    });

  replicaOpen = (): Promise<Reply> =>
    this.turn(async (state) => {
      if (state.state === "open") throw new Error("replica is already open");
      if (state.state === "failed") throw new Error(`the replica failed: ${state.reason}`);
      if ((await this.closed()).state === "initial") throw new Error("file does not exist");
      if (this.engine !== null) {
        const member = (await readRecord(this.hosted.options.directory))?.member ?? null;
        accepted(decideEngine({ member }, this.engine));
      }
      await this.hosted.open();
    });

  replicaClose = (): Promise<Reply> =>
    this.turn((state) => {
      if (this.engine !== null && state.state === "open")
        accepted(decideClose(state.replica.standing, this.engine));
      return this.hosted.shut(true);
    });

  replicaDelete = (): Promise<Record<string, never>> =>
    this.hosted.run(async (state) => {
      if (state.state === "closed") return {};
      const { path } = state.replica.directory;
      await this.hosted.shut();
      const lock = lockDirectory(path);
      try {
        await deleteReplica(
          await openDirectory(path).catch((error: unknown) => {
            // One that failed may be damaged: what it was is known.
            if (state.state === "failed") return state.replica.directory;
            throw error;
          }),
        );
      } finally {
        lock.release();
      }
      return {};
    });

  replicaReload = (): Promise<Reply> => this.whenOpen((chain) => chain.reload());

  replicaRevert = ({ name, created }: { name: string; created: string }): Promise<Reply> => {
    checkSnapshotRequest(name, created);
    return this.whenOpen((chain) => chain.revert(name, created));
  };

  replicaSnapshot = (request: {
    name: string;
    userCreated: boolean;
    created: string;
    labels: Record<string, string>;
  }): Promise<Reply> => {
    const { name, userCreated, created, labels } = request;
    checkSnapshotRequest(name, created);
    return this.whenOpen((chain) =>
      chain.snapshot({ name, userCreated, created, labels: labelsOf(labels), size: null }),
    );
  };

  replicaExpand = ({ size }: { size: number }): Promise<Reply> =>
    this.whenOpen(async (chain) => {
      try {
        await chain.expand(size, new Date().toISOString().replace(/\.\d+Z$/, "Z"));
      } catch (error) {
        throw expansionError(error);
      }
    });

  diskRemove = ({ name, force }: { name: string; force: boolean }): Promise<Reply> =>
    this.whenOpen((chain) => chain.remove(name, force));

  diskReplace = ({ target, source }: { target: string; source: string }): Promise<Reply> =>
    this.whenOpen((chain) => chain.replace(target, source));

  diskPrepareRemove = ({ name }: { name: string }) =>
    this.hosted.run(async (state) => {
      const actions = state.state === "open" ? removalActions(state.replica.directory, name) : [];
      for (const action of actions) {
        if (state.state === "open" && action.action === "coalesce")
          await state.chain.expectMerge(action.source, action.target);
      }
      return { operations: actions.map((action) => ({ target: "", ...action })) };
    });

  diskMarkAsRemoved = ({ name }: { name: string }): Promise<Reply> =>
    this.whenOpen((chain) => chain.markRemoved(name));

  rebuildingSet = ({ rebuilding }: { rebuilding: boolean }): Promise<Reply> =>
    this.turn(async () => {
      const state = await this.admitted();
      const from = await this.stateOf(state);
      const allowed = rebuilding ? from === "open" || from === "dirty" : from === "rebuilding";
      if (!allowed || state.state !== "open")
        throw new Error(`cannot set rebuilding=${rebuilding} from state ${from}`);
      if (rebuilding) await state.replica.beginRebuild();
      else await state.replica.change({ rebuilding });
    });

  revisionCounterSet = ({ counter }: { counter: number }): Promise<Reply> =>
    this.whenOpen((_chain, replica) => replica.setRevision(counter));

  unmapMarkDiskChainRemovedSet = ({ enabled }: { enabled: boolean }): Promise<Reply> =>
    this.set({ unmapMarksRemoved: enabled });

  snapshotMaxCountSet = ({ count }: { count: number }): Promise<Reply> => this.set({ countMax: count });

  snapshotMaxSizeSet = ({ size }: { size: number }): Promise<Reply> => this.set({ bytesMax: size });

  /** A limit of another engine would let this one's snapshot fail here, and cost it the replica. */
  private set(changes: Partial<SnapshotSettings>): Promise<Reply> {
    return this.turn(async () => {
      await this.admitted();
      Object.assign(this.hosted.settings, changes);
    });
  }

  /** Does `work` and tells how the replica is then. */
  private turn(work: (state: HostedState) => void | Promise<void>): Promise<Reply> {
    return this.hosted.run(async (state) => {
      await work(state);
      return this.reply(this.hosted.now);
    });
  }

  /** On a replica that is not open: success, and nothing is done. An engine of ours counts on what it is told: it is done for the one that
   * is recorded, or refused. */
  private whenOpen(work: (chain: LiveChain, replica: OpenReplica) => Promise<void>): Promise<Reply> {
    return this.turn(async () => {
      const state = await this.admitted();
      if (state.state === "open") await work(state.chain, state.replica);
    });
  }

  /** @throws {RpcError} an engine of ours asks that may not */
  private async admitted(): Promise<HostedState> {
    const { hosted, engine } = this;
    if (engine === null) return hosted.now;
    const state = await hosted.opened();
    accepted(decideChange(state.replica.standing, engine));
    return state;
  }

  private async reply(state: HostedState): Promise<Reply> {
    return { replica: { ...NOTHING, ...(await this.info(state)) } };
  }

  private async info(state: HostedState): Promise<Partial<Replica>> {
    const { settings, options } = this.hosted;
    if (state.state === "closed") {
      const { state, meta } = await this.closed();
      return closedInfo(state, meta);
    }
    if (state.state === "failed") return closedInfo("error", state.replica.directory.meta);
    const { directory, dirty } = state.replica;
    try {
      return await openInfo(directory, dirty, settings, state.replica.revision(), options.backingFile);
    } catch (error) {
      if (!(error instanceof ReplicaError) || error.code !== "MISSING") throw error;
      this.hosted.lose(error);
      return closedInfo("error", directory.meta);
    }
  }

  private async stateOf(state: HostedState): Promise<LonghornState> {
    if (state.state === "closed") return (await this.closed()).state;
    if (state.state === "failed") return "error";
    return stateOf({ ...state.replica.directory.meta, dirty: state.replica.dirty });
  }

  // Without volume.meta it is initial; when that cannot be read, nobody knows.
  private async closed(): Promise<{ state: LonghornState; meta: VolumeMeta | null }> {
    try {
      const found = await lookAt(this.hosted.options.directory);
      return found.state === "volume"
        ? { state: "closed", meta: found.meta }
        : { state: "initial", meta: null };
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error;
      const isInitial = error.code === "MISSING" || error.code === "FOREIGN";
      return { state: isInitial ? "initial" : "error", meta: null };
    }
  }
}

const NOTHING: Replica = {
  dirty: false,
  rebuilding: false,
  head: "",
  parent: "",
  size: "0",
  sectorSize: 0,
  backingFile: "",
  state: "",
  chain: [],
  disks: {},
  remainSnapshots: 0,
  revisionCounter: 0,
  lastModifyTime: 0,
  headFileSize: 0,
  revisionCounterDisabled: false,
  unmapMarkDiskChainRemoved: false,
  snapshotCountUsage: 0,
  snapshotSizeUsage: 0,
  snapshotCountTotal: 0,
};

function checkSnapshotRequest(name: string, created: string): void {
  if (name === "") throw new Error("cannot accept empty snapshot name");
  if (created === "") throw new Error("need to specific created time");
}
