/** Longhorn's SyncAgentService: its calls, their conditions and texts. */
import { status } from "@grpc/grpc-js";
import { rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { FileRemoveRequest, FileRenameRequest, FileSendRequest, FilesSyncRequest, ReceiverLaunchRequest, SnapshotCloneRequest, SnapshotHashRequest, SnapshotHashStatusRequest, SyncAgentService, VolumeExportRequest } from "../../proto/longhorn.js"; // prettier-ignore
import type { OpeningRequest } from "../../proto/control.js";
import type { SyncPace } from "../../proto/sync-pace.js";
import { RpcError, type Handlers } from "../../proto/unary.js";
import { currentChecksum, refuseRotten } from "../checksum-file.js";
import { syncDirectory } from "../durable-file.js";
import { bareHost } from "./addresses.js";
import { Clone } from "./clone.js";
import { Hashing } from "./hashing.js";
import { openMergedSource } from "./merged-source.js";
import { checkQuietFileName, dataFileOf, isDataFile, RECEIVING_SUFFIX, snapshotFileOf } from "./names.js";
import { HASH_LOCK_PATH, NodeLock } from "./node-lock.js";
import { osError } from "./os-text.js";
import { OutsidePurge, type Purging } from "./outside-purge.js";
import { OwnReplica } from "./own-replica.js";
import { PortPool } from "./port-pool.js";
import { Rebuild } from "./rebuild.js";
import { isPartial, type ChecksumClaim } from "./received-file.js";
import { Receivers } from "./receivers.js";
import { RateLimit } from "./rate-limit.js";
import { NOT_RUN } from "./run-status.js";
import { PACE_TOLD_MS_MAX } from "./limits.js";
import { sendSource, type SendOptions } from "./sender.js";
import { openFileSource, type Source } from "./source.js";

export interface SyncAgentOptions {
  /** of the replica */
  directory: string;
  /** `host:port` of its ReplicaService */
  replicaAddress: string;
  /** undefined: callers are not asked whom they mean */
  volumeName: string | undefined;
  instanceName: string | undefined;
  /** of receivers, both included; null: any that is free */
  ports: { first: number; last: number } | null;
  /** null: as stored in volume.meta */
  backingFile: string | null;
  /** null: by way of the replica's service */
  purging: (() => Purging | null) | null;
  /** runs what reads snapshots' files so that unmap frees nothing in them; null: it is in another process */
  whileRead: (<T>(work: () => Promise<T>) => Promise<T>) | null;
  /** bytes per second that it sends at most; null: no limit */
  rateLimit: number | null;
  /** the rate is limited only while this says so; null: always */
  limitsRate: (() => boolean) | null;
  /** null: where Longhorn has it */
  hashLockPath: string | null;
}

interface SendRequest {
  host: string;
  port: number;
  fileSyncHttpClientTimeout: number;
  fastSync: boolean;
  recorded: () => Promise<ChecksumClaim | null>;
}

const NOTHING = {};
const DIRECT_IO_BLOCK = 4096;

export class SyncAgent implements Handlers<typeof SyncAgentService> {
  private readonly replica: OwnReplica;
  private readonly receivers: Receivers;
  private readonly rebuild: Rebuild;
  private readonly clone: Clone;
  private readonly hashing: Hashing;
  private readonly outsidePurge: Purging;
  private readonly rate: RateLimit;
  /** files being sent: what they are read from must not be put together meanwhile */
  private sending = 0;

  constructor(
    private readonly options: SyncAgentOptions,
    private readonly log: Logger,
  ) {
    const { directory, replicaAddress, volumeName, instanceName, ports, hashLockPath } = options;
    this.replica = new OwnReplica(replicaAddress, { volumeName, instanceName });
    this.receivers = new Receivers(directory, new PortPool(ports?.first ?? null, ports?.last ?? 0), log);
    this.rebuild = new Rebuild(directory, this.receivers, volumeName, log);
    this.clone = new Clone(directory, this.receivers, this.replica, log);
    this.hashing = new Hashing(directory, new NodeLock(hashLockPath ?? HASH_LOCK_PATH), log);
    const { rateLimit, limitsRate } = options;
    this.rate = new RateLimit({ rate: rateLimit, ...(limitsRate !== null && { applies: limitsRate }) });
    this.outsidePurge = new OutsidePurge(directory, this.replica, log);
  }

  /** An engine of ours that calls: what it asks for is done for the one alone that the replica has recorded. */
  admit = (engine: OpeningRequest): Promise<void> => this.replica.admit(engine);

  /** SyncPace */
  pace: Handlers<typeof SyncPace> = {
    set: ({ limited, bytesPerSecond, forMs }) => {
      if (forMs > PACE_TOLD_MS_MAX)
        throw new RpcError(
          status.INVALID_ARGUMENT,
          `a pace holds for ${PACE_TOLD_MS_MAX} ms at the most, not ${forMs}`,
        );
      this.rate.tell(limited ? bytesPerSecond : null, forMs);
      return Promise.resolve({ sentBytes: this.rate.bytes });
    },
  };

  private get purging(): Purging {
    return this.options.purging?.() ?? this.outsidePurge;
  }

  private path(name: string): string {
    return join(this.options.directory, name);
  }

  /** What the open replica consists of is its own to remove, by DiskRemove.
   * @throws {Error} naming it */
  private async checkUnused(...names: string[]): Promise<void> {
    names.forEach(checkQuietFileName);
    const disks = await this.replica.openDisks();
    const used = names.find((name) => Object.hasOwn(disks, dataFileOf(name)));
    if (used !== undefined) throw new Error(`${used} is in use: a disk of the open replica consists of it`);
  }

  fileRemove = async ({ fileName }: FileRemoveRequest) => {
    await this.checkUnused(fileName);
    try {
      await unlink(this.path(fileName));
    } catch (error) {
      throw osError("remove", fileName, error);
    }
    await syncDirectory(this.options.directory);
    return NOTHING;
  };

  fileRename = async ({ oldFileName, newFileName }: FileRenameRequest) => {
    await this.checkUnused(oldFileName, newFileName);
    try {
      await rename(this.path(oldFileName), this.path(newFileName));
    } catch (error) {
      throw osError("rename", `${oldFileName} ${newFileName}`, error);
    }
    await syncDirectory(this.options.directory);
    return NOTHING;
  };

  fileSend = async ({ fromFileName: name, fastSync, ...request }: FileSendRequest) => {
    checkQuietFileName(name);
    if (await isPartial(this.options.directory, name))
      throw new Error(
        `file ${name} is incomplete: it has not been received whole, as ${name}${RECEIVING_SUFFIX} says: remove that if it is to be copied as it is`,
      );
    if (isDataFile(name)) await refuseRotten(this.options.directory, [name]);
    await this.send(name, () => openFileSource(this.options.directory, name), {
      ...request,
      fastSync,
      recorded: () => (isDataFile(name) ? currentChecksum(this.path(name)) : Promise.resolve(null)),
    });
    return NOTHING;
  };

  volumeExport = async ({ snapshotFileName, exportBackingImageIfExist, ...request }: VolumeExportRequest) => {
    const file = snapshotFileOf(snapshotFileName);
    const { directory, backingFile } = this.options;
    const open = () =>
      openMergedSource(directory, file, exportBackingImageIfExist ? { file: backingFile } : null);
    const recorded = () => Promise.resolve(null);
    await this.send(file, open, { ...request, fastSync: false, recorded });
    return NOTHING;
  };

  private async send(name: string, open: () => Promise<Source>, request: SendRequest): Promise<void> {
    if (this.purging.status.isPurging) throw new Error("replica is purging snapshots");
    this.sending++;
    const { whileRead } = this.options;
    const work = () => this.sendFrom(open, name, request);
    try {
      await (whileRead === null ? work() : whileRead(work));
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`failed to sync content for source file ${name}: ${text}`, { cause: error });
    } finally {
      this.sending--;
    }
  }

  private async sendFrom(open: () => Promise<Source>, name: string, request: SendRequest): Promise<void> {
    const source = await open();
    try {
      const options: SendOptions = {
        host: bareHost(request.host),
        port: request.port,
        timeoutSeconds: request.fileSyncHttpClientTimeout,
        directIo: isDataFile(name) && source.size % DIRECT_IO_BLOCK === 0,
        recorded: request.recorded,
        rate: this.rate,
        fastSync: request.fastSync,
      };
      const how = await sendSource(source, options);
      this.log.info({ file: name, bytes: source.size, how }, "file sent");
    } finally {
      await source.close();
    }
  }

  receiverLaunch = async ({ toFileName }: ReceiverLaunchRequest) => {
    const { receiver } = await this.receivers.launch(toFileName, "sender");
    return { port: receiver.port };
  };

  filesSync = async (request: FilesSyncRequest, engine: OpeningRequest | null) => {
    if (this.purging.status.isPurging) throw new Error("replica is purging snapshots");
    await this.rebuild.sync(request, async () => {
      if (engine !== null) await this.replica.stillAdmit(engine);
    });
    return NOTHING;
  };

  replicaRebuildStatus = () => {
    const { isRunning, ...rest } = this.rebuild.run.status;
    const { sources } = this.rebuild;
    const from = { fromReplicaAddress: sources[0] ?? "", fromReplicaAddressList: [...sources] };
    return Promise.resolve({ isRebuilding: isRunning, ...rest, ...from });
  };

  snapshotClone = async (request: SnapshotCloneRequest) => {
    await this.clone.clone(request);
    return NOTHING;
  };

  snapshotCloneStatus = () => {
    const { isRunning, ...rest } = this.clone.run.status;
    return Promise.resolve({ isCloning: isRunning, ...rest, ...this.clone.source });
  };

  snapshotPurge = () => {
    const { purging } = this;
    if (purging.status.isPurging) return Promise.reject(new Error("replica is already purging snapshots"));
    if (this.rebuild.run.status.isRunning) return Promise.reject(new Error("replica is rebuilding"));
    if (this.sending > 0) return Promise.reject(new Error("replica is sending snapshots"));
    // Its status says how it ended.
    void purging.run();
    return Promise.resolve(NOTHING);
  };

  snapshotPurgeStatus = () => Promise.resolve(this.purging.status);

  snapshotHash = async ({ snapshotName, rehash }: SnapshotHashRequest) => {
    this.hashing.start(snapshotName, rehash);
    return Promise.resolve(NOTHING);
  };

  snapshotHashStatus = ({ snapshotName }: SnapshotHashStatusRequest) => this.hashing.status(snapshotName);

  snapshotHashCancel = async ({ snapshotName }: { snapshotName: string }) => {
    this.hashing.cancel(snapshotName);
    return Promise.resolve(NOTHING);
  };

  snapshotHashLockState = () => Promise.resolve({ isLocked: this.hashing.isLocked() });

  reset = () => {
    this.rebuild.reset();
    this.clone.reset();
    this.hashing.reset();
    if (!this.purging.status.isPurging) this.purging.reset();
    return Promise.resolve(NOTHING);
  };

  /** Nothing is ever restored here: as of a replica that was never asked to. */
  restoreStatus = () => {
    const { isRunning, ...rest } = NOT_RUN;
    const none = { lastRestored: "", destFileName: "", backupUrl: "", currentRestoringBackup: "" };
    return Promise.resolve({ isRestoring: isRunning, ...rest, ...none });
  };

  backupCreate = () => unimplemented("BackupCreate");
  backupRemove = () => unimplemented("BackupRemove");
  backupRestore = () => unimplemented("BackupRestore");
  backupStatus = () => unimplemented("BackupStatus");

  async stop(): Promise<void> {
    await Promise.all([this.receivers.stop(), this.hashing.stop()]);
    this.replica.close();
  }
}

function unimplemented(call: string): Promise<never> {
  return Promise.reject(new RpcError(status.UNIMPLEMENTED, `${call}: backups are not supported yet`));
}
