/** SnapshotClone: a snapshot of another volume, its content put together, becomes this volume's. */
import { join } from "node:path";
import type { Logger } from "pino";
import { ReplicaService, SyncAgentService, type SnapshotCloneRequest } from "../../proto/longhorn.js";
import { withContext } from "../../proto/rpc-error.js";
import { unaryClient } from "../../proto/unary.js";
import { META_SUFFIX } from "../disk-meta.js";
import { bareNameOf } from "../disk-names.js";
import { replaceFile } from "../durable-file.js";
import { bareHost, replicaAddress, syncAgentAddress } from "./addresses.js";
import { CALL_TIMEOUT_MS, LONG_CALL_TIMEOUT_MS } from "./limits.js";
import { snapshotFileOf } from "./names.js";
import type { OwnReplica } from "./own-replica.js";
import type { Receivers } from "./receivers.js";
import { Run } from "./run-status.js";

export class Clone {
  readonly run = new Run();
  private source_ = { fromReplicaAddress: "", snapshotName: "" };

  constructor(
    private readonly directory: string,
    private readonly receivers: Receivers,
    private readonly replica: OwnReplica,
    private readonly log: Logger,
  ) {}

  /** Of the last run. */
  get source(): Readonly<typeof this.source_> {
    return this.source_;
  }

  reset(): void {
    this.run.reset();
    if (!this.run.status.isRunning) this.source_ = { fromReplicaAddress: "", snapshotName: "" };
  }

  /** @throws {Error} when it is under way already; what went wrong, with the code of the call that failed */
  async clone(request: SnapshotCloneRequest): Promise<void> {
    const { fromReplicaAddress, snapshotName } = this.source_;
    if (this.run.status.isRunning)
      throw new Error(
        `replica is cloning snapshot ${snapshotName} from replica address ${fromReplicaAddress}`,
      );
    const file = snapshotFileOf(request.snapshotFileName);
    const size = await sizeOfSource(request, file);
    this.source_ = { fromReplicaAddress: request.fromAddress, snapshotName: bareNameOf(file) };
    await this.run.run(size, async () => {
      // What the volume reads at this moment is not written over.
      if ((await this.replica.get()).chain.includes(file))
        throw new Error(`snapshot ${file} is already existing in replica ${this.replica.address}`);
      await this.receive(request, file);
      await replaceFile(join(this.directory, file + META_SUFFIX), `{"Parent":""}\n`);
      await this.replica.reload();
      await this.replica.revert(file, new Date().toISOString().replace(/\.\d+Z$/, "Z"));
    });
    this.log.info({ ...this.source_ }, "snapshot cloned");
  }

  private async receive(request: SnapshotCloneRequest, fileName: string): Promise<void> {
    const name = bareNameOf(fileName);
    const { receiver, file } = await this.receivers
      .launch(fileName, "owner", (bytes) => this.run.advance(bytes))
      .catch((error: unknown) => {
        throw withContext(`failed to launch receiver for snapshot ${name}`, error);
      });
    const to = { host: bareHost(request.toHost), port: receiver.port };
    const { calls, close } = unaryClient(SyncAgentService, syncAgentAddress(request.fromAddress), {
      volumeName: request.fromVolumeName,
    });
    const { fileSyncHttpClientTimeout } = request;
    // The backing image is below both volumes.
    const what = { snapshotFileName: name, exportBackingImageIfExist: false, fileSyncHttpClientTimeout };
    try {
      await calls.volumeExport({ ...what, ...to }, { timeoutMs: LONG_CALL_TIMEOUT_MS });
    } catch (error) {
      await receiver.stop();
      await file.abandon();
      const where = `from replica ${request.fromAddress} to ${to.host}:${to.port}`;
      throw withContext(`failed to export snapshot ${name} ${where}`, error);
    } finally {
      close();
    }
    const end = await receiver.ended;
    if (end.end !== "closed") throw new Error(`snapshot ${name} was sent, but not received`, { cause: end });
    // What is recorded of the source is not of this content, which may be that of several files.
    await file.commit({ method: "", checksum: "" });
  }
}

/** @returns bytes */
async function sizeOfSource(
  { fromAddress, fromVolumeName, snapshotFileName }: SnapshotCloneRequest,
  file: string,
): Promise<number> {
  const address = replicaAddress(fromAddress);
  const { calls, close } = unaryClient(ReplicaService, address, { volumeName: fromVolumeName });
  try {
    const { replica } = await calls.replicaGet({}, { timeoutMs: CALL_TIMEOUT_MS });
    if (replica === null || !Object.hasOwn(replica.disks, file))
      throw new Error(`cannot find snapshot ${snapshotFileName} in the source replica ${fromAddress}`);
    return Number(replica.size);
  } catch (error) {
    throw withContext(`failed to get replica ${address}`, error);
  } finally {
    close();
  }
}
