/** What the agent's services do, on real engines and replicas. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import t from "tap";
import {
  InstanceServiceStreams,
  NodeAgent,
  NodeAgentStreams,
  ProcessManagerServiceStreams,
  type NodeEvent,
} from "../../proto/instance-manager.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { follow } from "../../proto/server-stream.js";
import { unaryClient } from "../../proto/unary.js";
import { instanceManagerFacts } from "../longhorn/facts.js";
import { isAlive, waitFor } from "../tools/process.js";
import { Agent, CALL, SIZE, WAIT_MS } from "./agent.js";

const SHELL = { portCount: 0, portArgs: [] };

t.test("any program is a process with Longhorn's states, texts and codes", async (t) => {
  const agent = await new Agent(t).start([], 4);
  const { processes } = agent;
  const create = (name: string, script: string, more = {}) =>
    processes.processCreate(
      { spec: { ...SHELL, name, binary: "sh", args: ["-c", script, "x"], ...more } },
      CALL,
    );
  const is = (name: string, state: string) =>
    waitFor(`${name} to be ${state}`, WAIT_MS, async () => {
      const { status: found } = await processes.processGet({ name }, CALL);
      return found?.state === state ? found : undefined;
    });
  const changes: string[] = [];
  const watching = follow(ProcessManagerServiceStreams.processWatch, `127.0.0.1:${agent.ports.processManager}`, {}, (one) =>
    changes.push(`${one.spec?.name} ${one.deleted ? "deleted" : one.status?.state}`),
  ); // prettier-ignore
  t.match(await create("good", "echo one; echo two"), {
    status: { state: /starting|running/ },
    deleted: false,
  });
  t.match(await is("good", "stopped"), { errorMsg: "" });
  await create("bad", "exit 61");
  t.match(await is("bad", "error"), { errorMsg: "exit status 61" });
  await create("none", "", { binary: "/no/such/program" });
  t.match(await is("none", "error"), { errorMsg: /ENOENT/ });
  const lines: string[] = [];
  await follow(ProcessManagerServiceStreams.processLog, `127.0.0.1:${agent.ports.processManager}`, { name: "good" }, ({ line }) => lines.push(line)).ended; // prettier-ignore
  t.strictSame(lines, ["one", "two"]);
  t.match(await follow(InstanceServiceStreams.instanceLog, `127.0.0.1:${agent.ports.instance}`, { name: "no" }, () => undefined).ended, { code: status.NOT_FOUND }); // prettier-ignore

  const long = await create("long", "exec sleep 1000");
  await is("long", "running");
  await t.rejects(create("long", ""), { code: status.ALREADY_EXISTS });
  await t.rejects(create("", ""), { code: status.INVALID_ARGUMENT });
  await t.rejects(processes.processGet({ name: "no" }, CALL), { code: status.NOT_FOUND });
  await t.rejects(processes.processDelete({ name: "long", uuid: "other" }, CALL), { code: status.NOT_FOUND });
  await t.rejects(processes.processReplace({ spec: null, terminateSignal: "SIGTERM" }, CALL), { code: status.INVALID_ARGUMENT }); // prettier-ignore

  // Ports: four in all.
  const ports = { portCount: 3, portArgs: ["--listen,:", "-b"] };
  const first = await create("ports", 'echo "$@"; exec sleep 1000', ports);
  const { portStart = 0, portEnd } = first.status ?? {};
  t.equal(portEnd, portStart + 2);
  t.strictSame(first.spec?.args.slice(-3), ["--listen", `:${portStart}`, `-b${portStart + 1}`]);
  await t.rejects(create("more", "", ports), { code: status.UNKNOWN, message: /cannot find an empty port/ });
  await t.rejects(create("args", "", { portCount: 1, portArgs: ["a", "b"] }), { code: status.UNKNOWN });

  // What is being started, and what is being stopped, goes on under the next agent.
  t.match(await processes.processDelete({ name: "long", uuid: long.status?.uuid ?? "" }, CALL), { deleted: true, status: { state: "stopping" } }); // prettier-ignore
  await create("stubborn", "trap '' INT; echo ready; while :; do sleep 1; done");
  await waitFor("it to be deaf", WAIT_MS, () => (agent.log("stubborn").includes("ready") ? true : undefined));
  const pid = await agent.pid("stubborn");
  await processes.processDelete({ name: "stubborn" }, CALL);
  await waitFor("the change to be told", WAIT_MS, () =>
    changes.includes("long deleted") ? true : undefined,
  );
  watching.close();
  await agent.kill();
  await agent.start([], 4);
  t.match(await agent.processes.processGet({ name: "stubborn" }, CALL), { status: { state: "stopping" } });
  t.match(await agent.processes.processGet({ name: "ports" }, CALL), { status: { state: "starting" } });
  t.ok(isAlive(pid));
  process.kill(pid, "SIGKILL");
  await waitFor("it to be gone", WAIT_MS, async () => {
    const { processes: listed } = await agent.processes.processList({}, CALL);
    return "stubborn" in listed ? undefined : true;
  });
  t.strictSame(changes.slice(0, 4), ["good starting", "good running", "good stopped", "bad starting"]);
});

t.test("a manager elsewhere drives volumes by the proxy, and hears of all changes", async (t) => {
  const agent = await new Agent(t).start();
  const events: NodeEvent[] = [];
  const watching = follow(NodeAgentStreams.watch, `127.0.0.1:${agent.ports.instance}`, {}, (event) =>
    events.push(event),
  );
  t.teardown(() => watching.close());
  const replicas = [await agent.replica("vol-r-1"), await agent.replica("vol-r-2")];
  const engine = await agent.engine("vol-e-0", replicas.slice(0, 1));
  const third = replicas[1]?.port ?? 0;
  const { proxy } = agent;
  const proxyEngineRequest = {
    ...{ address: `127.0.0.1:${engine.port}`, engineName: "vol-e-0", volumeName: "vol" },
    ...{ backendStoreDriver: 0, dataEngine: 0 },
  };
  const latest = () => events.findLast((event) => event.engine !== null)?.engine;
  const hears = (what: string, isSo: (report: NonNullable<NodeEvent["engine"]>) => boolean) =>
    waitFor(what, WAIT_MS, () => {
      const report = latest();
      return report && isSo(report) ? report : undefined;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; it is ${JSON.stringify(latest())}`);
    });

  t.match((await proxy.volumeGet(proxyEngineRequest, CALL)).volume, { name: "vol", size: SIZE, frontendState: "up" }); // prettier-ignore
  t.equal((await proxy.serverVersionGet(proxyEngineRequest, CALL)).version?.controllerAPIVersion, 5);
  t.ok((await proxy.metricsGet(proxyEngineRequest, CALL)).metrics);
  const io = await agent.connect(engine);
  await io.write(0, 65_536, 1);
  const { snapshot } = await proxy.volumeSnapshot(
    { proxyEngineRequest, snapshotVolume: { name: "one", labels: { a: "b" }, freezeFilesystem: false } },
    CALL,
  );
  t.equal(snapshot?.name, "one");
  t.match((await proxy.snapshotList(proxyEngineRequest, CALL)).disks, { "volume-head": { parent: "one" }, one: { labels: { a: "b" } } }); // prettier-ignore
  await hears("the snapshot", ({ snapshots }) => "one" in snapshots);

  const added = { replicaAddress: `tcp://127.0.0.1:${third}`, replicaName: "vol-r-2", restore: false };
  await proxy.replicaAdd({ proxyEngineRequest, ...added, size: SIZE, currentSize: SIZE, fileSyncHttpClientTimeout: 5 }, CALL); // prettier-ignore
  const { replicaList } = await proxy.replicaList(proxyEngineRequest, CALL);
  t.strictSame(replicaList?.replicas.map(({ mode }) => mode), [ReplicaMode.RW, ReplicaMode.RW]); // prettier-ignore
  await hears("the new replica", (report) => report.replicas.filter(({ mode }) => mode === ReplicaMode.RW).length === 2); // prettier-ignore
  await waitFor("a restart to know it", WAIT_MS, () => agent.record("vol-e-0").engine?.last?.replicas.length === 2 || undefined); // prettier-ignore

  await proxy.snapshotHash({ proxyEngineRequest, snapshotName: "one", rehash: false }, CALL);
  await waitFor("the hash", WAIT_MS, async () => {
    const { status: hashes } = await proxy.snapshotHashStatus(
      { proxyEngineRequest, snapshotName: "one" },
      CALL,
    );
    const rows = Object.values(hashes);
    return rows.length === 2 && rows.every(({ checksum }) => checksum !== "") ? true : undefined;
  });
  await proxy.snapshotRemove({ proxyEngineRequest, names: ["one"] }, CALL);
  await proxy.snapshotPurge({ proxyEngineRequest, skipIfInProgress: false }, CALL);
  await hears("the purge", ({ snapshots }) => !("one" in snapshots));
  t.ok((await proxy.snapshotPurgeStatus(proxyEngineRequest, CALL)).status);
  await proxy.volumeSnapshotMaxCountSet({ proxyEngineRequest, count: { count: 9 } }, CALL);
  await proxy.volumeExpand({ proxyEngineRequest, expand: { size: 2 * SIZE } }, CALL);
  await hears("the size", ({ volume }) => volume?.size === 2 * SIZE && volume.snapshotMaxCount === 9);

  // What an engine became survives its crash.
  await waitFor("a restart to know the size", WAIT_MS, () => agent.record("vol-e-0").engine?.last?.size === 2 * SIZE || undefined); // prettier-ignore
  process.kill(await agent.pid("vol-e-0"), "SIGKILL");
  await io.write(SIZE, 4096, 2);
  t.match((await proxy.volumeGet(proxyEngineRequest, CALL)).volume, { size: 2 * SIZE, snapshotMaxCount: 9, replicaCount: 2 }); // prettier-ignore
  io.kill();

  await proxy.replicaModeUpdate({ proxyEngineRequest, replicaAddress: added.replicaAddress, mode: ReplicaMode.ERR }, CALL); // prettier-ignore
  await hears("the failed replica", (report) => report.replicas.some(({ mode }) => mode === ReplicaMode.ERR));
  await sleep(1000);
  t.match((await proxy.replicaList(proxyEngineRequest, CALL)).replicaList, { replicas: [{ mode: ReplicaMode.RW }, { mode: ReplicaMode.ERR }] }, "who set it to ERR has a reason: it does not come back by itself"); // prettier-ignore
  await proxy.replicaRemove({ proxyEngineRequest, ...added }, CALL);
  await hears("its removal", (report) => report.replicas.length === 1);

  await t.rejects(proxy.volumeGet({ ...proxyEngineRequest, volumeName: "other" }, CALL), { code: status.FAILED_PRECONDITION }); // prettier-ignore
  await t.rejects(proxy.volumeGet({ ...proxyEngineRequest, dataEngine: 1 }, CALL), { code: status.UNIMPLEMENTED }); // prettier-ignore
  await t.rejects(proxy.snapshotRevert({ proxyEngineRequest, name: "none" }, CALL));
  await t.rejects(proxy.snapshotBackup({ proxyEngineRequest }, CALL), { code: status.UNIMPLEMENTED, message: /not implemented yet/ }); // prettier-ignore
  t.match(events[0]?.state?.node, { hostname: /./, bootId: "boot-1", instancePort: agent.ports.instance });
});

t.test("disks are known by their file, and only unused replica directories go", async (t) => {
  const agent = await new Agent(t).start();
  const { calls, close } = unaryClient(NodeAgent, `127.0.0.1:${agent.ports.instance}`);
  t.teardown(close);
  const path = join(agent.directory, "disk");
  const disk = await calls.diskInit({ name: "one", path }, CALL);
  t.match(disk, { ready: true, filesystemType: /^\w+$/, filesystemId: /^\w+$/ });
  t.ok(disk.capacity > disk.available && disk.available % (100 << 20) === 0);
  const config = JSON.parse(readFileSync(join(path, "longhorn-disk.cfg"), "utf8")) as object;
  t.match(config, { diskName: "one", diskUUID: disk.uuid });
  t.equal(
    (await calls.diskInit({ name: "one", path }, CALL)).uuid,
    disk.uuid,
    "a second time it is the same",
  );
  await t.rejects(calls.diskInit({ name: "one", path, uuid: "x" }, CALL), {
    code: status.FAILED_PRECONDITION,
  });

  await agent.replica("vol-r-1");
  const outside = join(agent.directory, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "file"), "precious");
  mkdirSync(join(path, "replicas", "orphan"));
  symlinkSync(outside, join(path, "replicas", "orphan", "link"));
  symlinkSync(outside, join(path, "replicas", "link"));
  const { replicas } = await calls.diskScan({ name: "one" }, CALL);
  t.match(replicas.sort((a, b) => a.name.localeCompare(b.name)), [
    { name: "orphan", hosted: false, size: 0, problem: /volume.meta/ },
    { name: "vol-r-1", hosted: true, size: SIZE, problem: "" },
  ]); // prettier-ignore
  const remove = (name: string) => calls.replicaDirectoryRemove({ disk: "one", name }, CALL);
  await t.rejects(remove("vol-r-1"), { code: status.FAILED_PRECONDITION });
  await t.rejects(remove("link"), { code: status.FAILED_PRECONDITION });
  for (const name of ["", "..", ".", "../outside"]) await t.rejects(remove(name), { code: status.INVALID_ARGUMENT }); // prettier-ignore
  await remove("orphan");
  t.notOk(existsSync(join(path, "replicas", "orphan")));
  t.ok(existsSync(join(outside, "file")), "what a link leads to stays");
  const moved = await calls.diskInit({ name: "one", path: join(agent.directory, "moved") }, CALL);
  t.match(moved, { ready: true, path: /moved$/ });
  t.not(moved.uuid, disk.uuid);
  t.strictSame((await calls.diskScan({ name: "one" }, CALL)).replicas, []);
  await remove("vol-r-1");
  t.ok(existsSync(join(path, "replicas", "vol-r-1", "volume.meta")), "what runs where the disk was is left alone"); // prettier-ignore
  await calls.diskInit({ name: "one", path, uuid: disk.uuid }, CALL);
  t.match((await calls.diskScan({ name: "one" }, CALL)).replicas, [{ name: "vol-r-1", hosted: true }]);
  await agent.remove("vol-r-1");
  await remove("vol-r-1");

  const second = join(agent.directory, "second");
  t.match(await calls.diskInit({ name: "two", path: second }, CALL), { ready: false, reason: "DiskFilesystemChanged" }); // prettier-ignore
  writeFileSync(join(second, "longhorn-disk.cfg"), "{");
  t.match((await calls.diskScan({ name: "two" }, CALL)).disk, { ready: false, reason: "NoDiskInfo" });
  await t.rejects(calls.diskInit({ name: "two", path: second }, CALL), { message: /damaged/ });
  await calls.diskForget({ name: "two" }, CALL);
  await t.rejects(calls.diskScan({ name: "two" }, CALL), { code: status.NOT_FOUND });
  t.ok((await calls.requiredPackages({}, CALL)).programs.length > 3);
  const { cpuCapacity, cpuUsage, memoryCapacity, memoryUsage } = await calls.machineUse({}, CALL);
  t.ok(cpuUsage <= cpuCapacity && cpuCapacity >= 1_000 && memoryUsage > 0 && memoryUsage < memoryCapacity);
  await t.rejects(calls.filesystemTrim({ volume: "vol" }, CALL), { code: status.FAILED_PRECONDITION });
});

t.test("ports that a stranger has are not those of one instance for ever", async (t) => {
  const agent = await new Agent(t).start();
  const { port } = await agent.replica("vol-r-1");
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(port + 10, "127.0.0.1", resolve));
  t.teardown(() => stranger.close());
  await t.rejects(agent.replica("vol-r-2"), { message: /EADDRINUSE/ });
  await agent.remove("vol-r-2");
  const second = await agent.replica("vol-r-2");
  t.not(second.port, port + 10);
  await agent.remove("vol-r-2");
  t.equal((await agent.replica("vol-r-2")).port, second.port, "those that it ran at are");
});

t.test("a disk that nothing can be written to is not ready", async (t) => {
  const agent = await new Agent(t).start();
  const { calls, close } = unaryClient(NodeAgent, `127.0.0.1:${agent.ports.instance}`);
  t.teardown(close);
  const disk = join(agent.directory, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["--bind", disk, disk]);
  t.teardown(() => execFileSync("umount", [disk]));
  t.match(await calls.diskInit({ name: "one", path: disk }, CALL), { ready: true });
  execFileSync("mount", ["-o", "remount,ro,bind", disk]);
  t.match((await calls.diskScan({ name: "one" }, CALL)).disk, { ready: false, reason: "NoDiskInfo", message: `${disk} is read-only (ro)` }); // prettier-ignore
  execFileSync("mount", ["-o", "remount,rw,bind", disk]);
  t.match((await calls.diskScan({ name: "one" }, CALL)).disk, { ready: true });
});

/** What answers UNIMPLEMENTED to a request without content. */
const UNIMPLEMENTED: Record<string, readonly string[]> = {
  ProcessManagerService: [],
  "imrpc.InstanceService": [
    ...["InstanceSuspend", "InstanceResume", "InstanceSwitchOverTarget", "InstanceDeleteTarget"],
  ],
  "imrpc.DiskService": [],
  "imrpc.ProxyEngineService": [
    ...["SnapshotBackup", "SnapshotBackupStatus", "BackupRestore", "BackupRestoreStatus"],
    ...["BackupRestoreFinish", "ReplicaRebuildingQosSet", "SPDKBackingImageCreate"],
    ...["SPDKBackingImageDelete", "SPDKBackingImageGet", "SPDKBackingImageList", "SPDKBackingImageWatch"],
  ],
};

t.test("every call of Longhorn's is answered", async (t) => {
  const agent = await new Agent(t).start();
  const { processManager, instance, disk, proxy } = agent.ports;
  const ports = [processManager, instance, proxy, disk];
  const nothing = () => Buffer.alloc(0);
  for (const [index, [name, { rpcs }]] of Object.entries(instanceManagerFacts().services).entries()) {
    const client = new Client(`127.0.0.1:${ports[index] ?? 0}`, credentials.createInsecure());
    const found = new Map<string, status>();
    for (const { name: rpc, path, serverStreaming } of rpcs) {
      if (serverStreaming === true && rpc.endsWith("Watch") && !rpc.startsWith("SPDK")) continue;
      const code = await new Promise<status>((resolve) => {
        const options = { deadline: Date.now() + 60_000 };
        client.makeUnaryRequest(path, nothing, nothing, null, options, (error: ServiceError | null) =>
          resolve(error === null ? status.OK : error.code),
        );
      });
      found.set(rpc, code);
    }
    client.close();
    const refused = [...found].filter(([, code]) => code === status.UNIMPLEMENTED).map(([rpc]) => rpc);
    t.strictSame(refused.sort(), [...(UNIMPLEMENTED[name] ?? [])].sort(), name);
    const broken = [...found].filter(([, code]) =>
      [status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(code),
    );
    t.strictSame(broken, [], name);
  }
});
