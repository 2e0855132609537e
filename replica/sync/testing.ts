/** For the tests of this folder: sparse files, made from a description and compared in content and allocation; a replica of
 * plain files, and sync agents. */
import { randomBytes } from "node:crypto";
import { open, readFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { pino } from "pino";
import { fileExtents } from "../../native/index.js";
import type { Identity } from "../../proto/identity.js";
import { ReplicaService, SyncAgentService, type DiskInfo, type Replica } from "../../proto/longhorn.js";
import { unaryClient, unaryHandlers, type Calls, type Handlers } from "../../proto/unary.js";
import { childrenByParent } from "../chain.js";
import { openDirectory } from "../directory.js";
import { markRemoved } from "../ops/mark-removed.js";
import { removalActions } from "../ops/prepare-remove.js";
import { removeDisk } from "../ops/remove.js";
import { replaceDisk } from "../ops/replace.js";
import { revert } from "../ops/revert.js";
import { SYNC_AGENT_PORT_OFFSET } from "./addresses.js";
import { changeTimeOf, writeRecordedChecksum } from "../checksum-file.js";
import { serveSyncAgent } from "./server.js";
import type { SyncAgentOptions } from "./service.js";
import { allocatedRuns } from "../file-runs.js";

export const silent = pino({ level: "silent" });

/** A file of `size` bytes with random data in `[offset, length]`. */
export async function makeSparse(path: string, size: number, data: readonly (readonly [number, number])[]) {
  const file = await open(path, "w");
  await file.truncate(size);
  for (const [offset, length] of data) await file.write(randomBytes(length), 0, length, offset);
  await file.sync();
  await file.close();
}

/** As hashing does that has found it out. */
export async function markRotten(path: string): Promise<void> {
  const changeTime = await changeTimeOf(path);
  const checksum = "00000000000000aa"; // of what it was
  await writeRecordedChecksum(path, { method: "crc64", checksum, changeTime, lastHashedAt: "", silentlyCorrupted: true }); // prettier-ignore
}

/** What a copy has to have in common with its original. */
export async function imageOf(path: string): Promise<{ runs: [number, number][]; content: string }> {
  const file = await open(path, "r");
  const runs: [number, number][] = [];
  for await (const run of allocatedRuns(file, (await file.stat()).size)) runs.push(run);
  await file.close();
  return { runs, content: (await readFile(path)).toString("base64") };
}

/** What the disk holds of the one file that is written to from TypeScript. A sync that fails drops what was written since the last one, and tells one
 * descriptor; the page cache keeps it. As under ext4, what is written to the same blocks again does not count either. */
export async function diskUnder(t: Teardown, path: string, content: Buffer) {
  const probe = await open(path, "r");
  const handles = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const disk = { content, failures: 0 };
  let dirty: { data: Buffer; position: number }[] = [];
  const dropped: { begin: number; end: number }[] = [];
  const { write, sync, datasync } = handles as unknown as Record<
    string,
    (...of: unknown[]) => Promise<never>
  >;
  const syncBy = (real: typeof sync) =>
    async function (this: FileHandle) {
      const written = dirty;
      dirty = [];
      if (written.length > 0 && disk.failures-- > 0) {
        for (const { data, position } of written)
          dropped.push({ begin: position, end: position + data.length });
        throw new Error("EIO: i/o error, fsync");
      }
      for (const { data, position } of written) data.copy(disk.content, position);
      return real?.call(this);
    };
  Object.assign(handles, {
    async write(this: FileHandle, data: Uint8Array, from: number, length: number, position: number) {
      const end = position + length;
      const wasDropped = dropped.some((range) => range.begin < end && position < range.end);
      const isLost = wasDropped && (await fileExtents(this.fd, position, end, false)).length > 0;
      if (!isLost) dirty.push({ data: Buffer.from(data.subarray(from, from + length)), position });
      return write?.call(this, data, from, length, position);
    },
    sync: syncBy(sync),
    datasync: syncBy(datasync),
  });
  t.teardown(() => Object.assign(handles, { write, sync, datasync }));
  return disk;
}

/** ReplicaService over a directory whose files nobody else has open. */
export async function serveDirectory(t: Teardown, path: string, identity: Identity = {}): Promise<string> {
  const server = new Server();
  const done = async (change?: Promise<unknown>) => {
    await change;
    return { replica: await replicaOf(path) };
  };
  const handlers: Partial<Handlers<typeof ReplicaService>> = {
    replicaGet: () => done(),
    replicaReload: () => done(),
    replicaRevert: async ({ name, created }) => done(revert(await openDirectory(path), name, created)),
    diskMarkAsRemoved: async ({ name }) => done(markRemoved(await openDirectory(path), name)),
    diskPrepareRemove: async ({ name }) => ({
      operations: removalActions(await openDirectory(path), name).map((action) => ({
        target: "",
        ...action,
      })),
    }),
    diskRemove: async ({ name, force }) => done(removeDisk(await openDirectory(path), name, force)),
    diskReplace: async ({ target, source }) => done(replaceDisk(await openDirectory(path), target, source)),
  };
  const all = handlers as Handlers<typeof ReplicaService>;
  server.addService(ReplicaService, unaryHandlers(ReplicaService, all, { role: "replica", ...identity }));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.teardown(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

async function replicaOf(path: string): Promise<Replica> {
  const directory = await openDirectory(path);
  const children = childrenByParent(directory);
  const disks = [...directory.disks].map(([name, meta]): [string, DiskInfo] => {
    const { parent, removed, userCreated, created, labels } = meta;
    const below = Object.fromEntries((children.get(name) ?? []).map((child) => [child, true]));
    return [
      name,
      { name, parent, children: below, removed, userCreated, created, size: "0", labels: { ...labels } },
    ];
  });
  const replica = ReplicaService.replicaGet.responseDeserialize(
    ReplicaService.replicaGet.responseSerialize({
      replica: {
        ...EMPTY_REPLICA,
        head: directory.meta.head,
        size: String(directory.meta.size),
        chain: [...directory.chain],
        disks: Object.fromEntries(disks),
      },
    }),
  ).replica;
  if (replica === null) throw new Error("the replica is there");
  return replica;
}

const EMPTY_REPLICA: Replica = {
  dirty: false,
  rebuilding: false,
  head: "",
  parent: "",
  size: "",
  sectorSize: 512,
  backingFile: "",
  state: "open",
  chain: [],
  disks: {},
  remainSnapshots: 0,
  revisionCounter: 0,
  lastModifyTime: 0,
  headFileSize: 0,
  revisionCounterDisabled: true,
  unmapMarkDiskChainRemoved: false,
  snapshotCountUsage: 0,
  snapshotSizeUsage: 0,
  snapshotCountTotal: 0,
};

/** A sync agent for a directory, and calls of it. Its replica's address is as if it were two ports below. */
export async function serveAgent(
  t: Teardown,
  directory: string,
  options: Partial<SyncAgentOptions> = {},
): Promise<{ calls: Calls<typeof SyncAgentService>; replicaAddress: string }> {
  const complete: SyncAgentOptions = {
    directory,
    replicaAddress: "127.0.0.1:1",
    volumeName: undefined,
    instanceName: undefined,
    ports: null,
    backingFile: null,
    purging: null,
    whileRead: null,
    rateLimit: null,
    limitsRate: null,
    hashLockPath: join(directory, "hash.lock"),
    ...options,
  };
  const agent = await serveSyncAgent(complete, "127.0.0.1", 0, silent);
  const identity = { volumeName: options.volumeName, instanceName: options.instanceName };
  const { calls, close } = unaryClient(SyncAgentService, `127.0.0.1:${agent.port}`, identity);
  t.teardown(async () => {
    close();
    await agent.stop();
  });
  return { calls, replicaAddress: `127.0.0.1:${agent.port - SYNC_AGENT_PORT_OFFSET}` };
}

interface Teardown {
  teardown: (work: () => unknown) => void;
}
