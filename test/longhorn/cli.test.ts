/** The `longhorn` command, byte for byte, against a controller on replicas in memory. */
import { status } from "@grpc/grpc-js";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import t from "tap";
import { io } from "../../cli/longhorn/command.js";
import { run } from "../../cli/longhorn/run.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { RpcError } from "../../proto/rpc-error.js";
import { CALL, Rig, SIZE, VOLUME } from "./rig.js";
import type { TwinReplica } from "./twin-replica.js";

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function longhorn(...args: string[]): Promise<Ended> {
  const ended: Ended = { code: 0, stdout: "", stderr: "" };
  io.out = (text) => (ended.stdout += text);
  io.err = (text) => (ended.stderr += text);
  ended.code = await run(args);
  return ended;
}

const lines = (...all: string[]) => all.map((line) => `${line}\n`).join("");

t.test("what is wrong with the command itself is told in Longhorn's words, with exit code 1", async (t) => {
  const rows: [string[], Partial<Ended>][] = [
    [["bogus"], { code: 1, stdout: "unrecognized command: bogus\n" }],
    [["--bogus"], { code: 1, stdout: "usage error, please check your command\n" }],
    [["frontend", "bogus"], { code: 1, stdout: "unrecognized command: bogus\n" }],
    [["controller"], { code: 1, stdout: "", stderr: 'level=fatal msg="Error running controller command" error="volume name is required"' }],
    [["controller", "v", "--size", "1m"], { code: 1, stderr: 'error="invalid target name"' }],
    [["controller", "vol"], { code: 1, stderr: 'error="size is required"' }],
    [["controller", "vol", "--size", "1m", "--current-size", "x"], { code: 1, stderr: "error=\"invalid size: 'x'\"" }],
    [["replica"], { code: 1, stderr: 'msg="Error running start replica command: directory name is required"' }],
    [["backup", "create", "s1"], { code: 1, stderr: 'msg="Error running create backup command: missing required parameter --dest"' }],
    [["backup", "create", "s1", "--dest", "vfs:///x/", "--backup-block-size", "0"], { code: 1, stderr: "invalid backup block size: 0" }],
    [["snapshot", "clone"], { code: 1, stderr: 'error="missing required parameter --snapshot-name"' }],
    [["replica", "x", "--data-server-protocol", "rdma"], { code: 1, stderr: "unsupported data server protocol: rdma" }],
    [["controller", "vol", "--size", "1m", "--current-size", "1m", "--data-server-protocol", "rdma"], { code: 1, stderr: "unsupported data server protocol: rdma" }],
    [["replica", "x", "--data-server-protocol", "unix"], { code: 1, stderr: "data-server-protocol unix needs --volume-name, which names the socket" }],
    [["--volume-name", "../vol", "replica", "x", "--data-server-protocol", "unix"], { code: 1, stderr: "no volume has the name ../vol" }],
    [["unmap-mark-snap"], { code: 1, stderr: "this option is not specified" }],
  ]; // prettier-ignore
  for (const [args, expected] of rows) {
    const { stderr = "", ...rest } = expected;
    const ended = await longhorn(...args);
    t.match(ended, rest, args.join(" "));
    t.ok(ended.stderr.includes(stderr), `${args.join(" ")}: ${ended.stderr}`);
  }
  const wrong = await longhorn("ls", "--bogus");
  t.equal(wrong.code, 1);
  t.match(wrong.stdout, /^Incorrect Usage: flag provided but not defined: -bogus\n\nNAME:\n/);
  const none = await longhorn();
  t.match(none, { code: 0, stdout: /^NAME:\n {3}longhorn/ });
});

t.test("version tells the interfaces of the client, and of the engine", async (t) => {
  const rig = new Rig(t);
  await rig.serve();
  const versions = (version: string) => [
    `\t\t"version": "${version}",`,
    '\t\t"gitCommit": "",',
    '\t\t"buildDate": "",',
    '\t\t"cliAPIVersion": 10,',
    '\t\t"cliAPIMinVersion": 8,',
    '\t\t"controllerAPIVersion": 5,',
    '\t\t"controllerAPIMinVersion": 4,',
    '\t\t"dataFormatVersion": 1,',
    '\t\t"dataFormatMinVersion": 1',
    "\t}",
  ];
  const client = ["{", '\t"clientVersion": {', ...versions("0.1.0")].join("\n");
  const alone = await longhorn("version", "--client-only");
  t.strictSame(alone, { code: 0, stdout: `${client},\n\t"serverVersion": null\n}\n`, stderr: "" });
  const both = await longhorn("--url", rig.address, "version");
  t.equal(both.stdout, `${client},\n${['\t"serverVersion": {', ...versions("0.0.0"), "}", ""].join("\n")}`);
});

t.test("a volume's life by its command line", async (t) => {
  const rig = new Rig(t);
  await rig.addTwin();
  await rig.addTwin();
  await rig.serve();
  const [first = "", second = ""] = rig.twins.map(({ address }) => address);
  const on = (...args: string[]) =>
    longhorn("--url", `http://${rig.address}/v1`, "--volume-name", VOLUME, ...args);
  const ok = async (...args: string[]) => {
    const ended = await on(...args);
    t.match(ended, { code: 0, stderr: "" }, args.join(" "));
    return ended.stdout;
  };
  t.equal(await ok("start", first, "--size", "4m", second, "--current-size=4194304"), "");
  t.equal(
    await ok("info"),
    lines(
      "{",
      `\t"name": "${VOLUME}",`,
      `\t"size": ${SIZE},`,
      '\t"replicaCount": 2,',
      '\t"endpoint": "",',
      '\t"frontend": "",',
      '\t"frontendState": "",',
      '\t"isExpanding": false,',
      '\t"lastExpansionError": "",',
      '\t"lastExpansionFailedAt": "",',
      '\t"unmapMarkSnapChainRemoved": false,',
      '\t"snapshotMaxCount": 250,',
      '\t"SnapshotMaxSize": 0',
      "}",
    ),
  );
  t.equal(await ok("snapshots", "create", "--label", "k=v", "s1"), "s1\n");
  t.equal(await ok("snapshot", "create", "10", "--freeze-fs"), "10\n");
  t.equal(await ok("snapshot", "ls"), "ID\n10\ns1\n");
  const pad = (text: string) => text.padEnd(first.length + 1);
  t.equal(
    await ok("ls-replica"),
    lines(
      `${pad("ADDRESS")}MODE CHAIN`,
      `${pad(first)}RW   [volume-head-002.img volume-snap-10.img volume-snap-s1.img]`,
      `${pad(second)}RW   [volume-head-002.img volume-snap-10.img volume-snap-s1.img]`,
    ),
  );
  const created = rig.twins[0]?.describe().disks["volume-snap-s1.img"]?.created ?? "";
  const info = await ok("snapshot", "info");
  t.ok(
    info.includes(
      [
        '\t"s1": {',
        '\t\t"name": "s1",',
        '\t\t"parent": "",',
        '\t\t"children": {',
        '\t\t\t"10": true',
        "\t\t},",
        '\t\t"removed": false,',
        '\t\t"usercreated": true,',
        `\t\t"created": "${created}",`,
        '\t\t"size": "4096",',
        '\t\t"labels": {',
        '\t\t\t"k": "v"',
        "\t\t}",
        "\t},",
      ].join("\n"),
    ),
    info,
  );
  const names = [...info.matchAll(/^\t"(.*)": \{$/gm)].map(([, name]) => name);
  t.strictSame(names, ["10", "s1", "volume-head"], "maps are sorted as Go does");
  t.equal(await ok("snapshot", "rm", "10", "unknown"), "");
  t.equal(await ok("snapshot"), "ID\ns1\n");
  t.equal(await ok("snapshot", "revert", "s1"), "");
  const refused = await on("snapshot", "revert", "10");
  t.equal(refused.code, 1);
  t.match(refused.stderr, /msg="Error running revert snapshot command" error="failed to revert to snapshot 10 for volume .*: rpc error: code = Unknown desc = cannot revert to removed snapshot 10"/); // prettier-ignore
  const again = await on("start", first, "--size", "4m", "--current-size", "4m");
  t.match(again, { code: 1, stderr: /cannot add multiple replicas if volume is already up/ });
  t.equal(await ok("frontend", "start", "tgt-iscsi"), "");
  t.match(await ok("info"), `"endpoint": "iqn.2019-10.io.longhorn:${VOLUME}"`);
  t.equal(await ok("frontend", "shutdown"), "");
  t.equal(await ok("rebuild-status"), "{}\n");
  t.equal(await ok("update", second, "--mode", "ERR"), "");
  t.match(await ok("ls"), new RegExp(`${second} +ERR  \n`));
  t.equal(await ok("rm", second), "");
  t.equal(await ok("rm-replica", "tcp://nobody:1"), "");
  t.match(await rig.calls.volumeGet({}, CALL), { replicaCount: 1 });
});

t.test(
  "a name that is not the volume's is refused by the engine, with the reason on standard error",
  async (t) => {
    const rig = new Rig(t);
    await rig.serve();
    const volume = await longhorn("--url", rig.address, "--volume-name", "wrong", "info");
    t.match(volume, {
      code: 1,
      stderr:
        /rpc error: code = FailedPrecondition desc = incorrect volume name wrong; check controller address/,
    });
    const instance = await longhorn("--url", rig.address, "--engine-instance-name", "wrong", "ls");
    t.match(instance, { code: 1, stderr: /incorrect instance name wrong; check controller address/ });
  },
);

t.test("a replica that is not the one meant is noticed before the engine is asked", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const added = await rig.addTwin();
  const asked = rig.twins[0]?.calls.length;
  const on = (...args: string[]) => longhorn("--url", rig.address, "--volume-name", VOLUME, ...args);
  const wrong = ["--replica-instance-name", "wrong"];
  const refusal = /code = FailedPrecondition desc = incorrect instance name wrong; check replica address/;
  const add = ["add", added.address, "--size", "4m", "--current-size", "4m"];
  for (const command of [add, ["verify-rebuild", added.address]]) {
    t.match(await on(...command, ...wrong), { code: 1, stderr: refusal }, command.join(" "));
    t.equal(await rig.modes(), "RW");
  }
  t.equal(rig.twins[0]?.calls.length, asked, "nothing was done");
});

t.test("whether a backup is known is an answer, whoever is asked", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  const status = (...args: string[]) => longhorn("--url", rig.address, "backup", "status", ...args);
  const [first = "", second = ""] = rig.twins.map(({ address }) => address);
  const unknown = (address: string) =>
    `{"progress":0,"error":"Failed to get backup status on ${address} for b1: rpc error: code = Unknown desc = backup not found b1","snapshotName":"","state":"","replicaAddress":""}\n`;
  t.strictSame(await status("b1"), { code: 0, stdout: unknown(second), stderr: "" });
  t.strictSame(await status("b1", "--replica", first), { code: 0, stdout: unknown(first), stderr: "" });
  rig.twins[1]?.backups.set("b1", { progress: 100, backupUrl: "vfs:///x?backup=b1", error: "", snapshotName: "s1", state: "complete" }); // prettier-ignore
  const known = `{"progress":100,"backupURL":"vfs:///x?backup=b1","snapshotName":"s1","state":"complete","replicaAddress":"${second}"}\n`;
  t.strictSame(await status("b1"), { code: 0, stdout: known, stderr: "" });
  t.match(await status("b1", "--replica", "tcp://nobody:1"), { code: 1, stderr: /unknown replica/ });
});

t.test("snapshots are told by the others where a replica is dropped that does not answer", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  const [, twin] = rig.twins;
  if (twin === undefined) throw new Error("no replica");
  const on = (...args: string[]) => longhorn("--url", rig.address, "snapshot", ...args);
  const silent = () => Promise.reject(new Error("no answer"));
  twin.faults.set("replicaGet", silent);
  t.match(await on("ls"), { code: 1, stderr: /failed to get replica .*no answer/ });
  twin.faults.set("replicaGet", async () => {
    await rig.calls.replicaUpdate(
      { address: { address: twin.address, instanceName: "" }, mode: ReplicaMode.ERR },
      CALL,
    );
    return silent();
  });
  t.match(await on("ls"), { code: 0, stdout: /s1/ });
});

t.test("a replica to which nothing can be copied is taken back, and can be added again", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const [copy] = rig.twins;
  if (copy === undefined) throw new Error("no replica");
  const [added, other] = [await rig.addTwin(), await rig.addTwin()];
  for (const twin of [added, other]) twin.peers.set(copy.address.replace("tcp://", ""), copy);
  const add = ({ address }: TwinReplica) =>
    longhorn("--url", rig.address, "add-replica", "--size", `${SIZE}`, "--current-size", `${SIZE}`, address);
  const fail = () => Promise.reject(new Error("connection reset by peer"));
  added.faults.set("filesSync", fail);
  t.match(await add(added), { code: 1, stderr: /connection reset by peer/ });
  t.equal(await rig.modes(), "RW ERR");
  t.match(await add(other), { code: 0 }, "another one can be added");
  added.faults.set("filesSync", () => {
    added.syncState = "in_progress";
    return fail();
  });
  t.match(await add(added), { code: 1 });
  t.equal(await rig.modes(), "RW RW WO", "what somebody still copies is not given up");
  added.syncFrom(copy);
  added.faults.clear();
  t.match(await add(added), { code: 0 });
  t.equal(await rig.modes(), "RW RW RW");
});

t.test("a replica is left WO where somebody may still be at it", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const [copy] = rig.twins;
  if (copy === undefined) throw new Error("no replica");
  const added = await rig.addTwin();
  added.peers.set(copy.address.replace("tcp://", ""), copy);
  const door = await openDoor(rig.address);
  t.teardown(() => door.close());
  const add = () =>
    longhorn("--url", door.address, "add-replica", "--size", `${SIZE}`, "--current-size", `${SIZE}`, added.address); // prettier-ignore
  const late = () => Promise.reject(new RpcError(status.DEADLINE_EXCEEDED, "no answer in time"));
  added.faults.set("filesSync", () => {
    added.faults.set("replicaRebuildStatus", late);
    return late();
  });
  t.match(await add(), { code: 1, stderr: /no answer in time/ });
  t.equal(await rig.modes(), "RW WO", "it does not say whether it is still copied to");

  added.syncFrom(copy);
  let queries = 0;
  added.faults.set("replicaRebuildStatus", () => (++queries <= 2 ? late() : Promise.resolve()));
  added.faults.set("replicaReload", late);
  t.match(
    await add(),
    { code: 1, stderr: /failed to reload replica/ },
    "two queries that fail do not end it",
  );
  t.equal(await rig.modes(), "RW WO", "somebody else began it");

  let goOn = () => {};
  const waits = new Promise<void>((resolve) => (goOn = resolve));
  let reloads = 0;
  added.faults.set("replicaReload", async () => {
    if (++reloads === 1) return;
    door.cut();
    await waits;
  });
  t.match(await add(), { code: 1, stderr: /failed to verify rebuilt replica/ });
  t.equal(await rig.modes(), "RW WO", "the engine goes on verifying");
  goOn();
  await rig.calls.replicaVerifyRebuild({ address: added.address }, CALL);
  t.equal(await rig.modes(), "RW RW");
});

/** A way to an engine whose connections can be cut. */
async function openDoor(address: string): Promise<{ address: string; cut: () => void; close: () => void }> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  const cut = () => sockets.forEach((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    cut();
    server.close();
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, cut, close };
}

t.test("a snapshot that has rotted is told so", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const [twin] = rig.twins;
  if (twin === undefined) throw new Error("no replica");
  twin.hashes.set("s1", {
    state: "complete",
    checksum: "00000000000000aa",
    error: "",
    silentlyCorrupted: true,
  });
  const { stdout } = await longhorn("--url", rig.address, "snapshot", "hash-status", "s1");
  t.equal(
    stdout,
    lines("{", `\t"${twin.address}": {`, '\t\t"state": "complete",', '\t\t"checksum": "00000000000000aa",', '\t\t"error": "",', '\t\t"silentlyCorrupted": true', "\t}", "}"),
  ); // prettier-ignore
});

t.test(
  "a clone comes from a copy whose snapshot has not rotted; without one, the reason of each is told",
  async (t) => {
    const [from, to] = [new Rig(t), new Rig(t)];
    await from.volume(2);
    await to.volume(1);
    await from.calls.volumeSnapshot({ name: "s1" }, CALL);
    const [target] = to.twins;
    const rot = { state: "complete", checksum: "00000000000000aa", error: "", silentlyCorrupted: true };
    from.twins[0]?.hashes.set("s1", rot);
    for (const twin of from.twins) target?.peers.set(twin.address.replace("tcp://", ""), twin);
    const clone = () =>
    longhorn("--url", to.address, "snapshot", "clone", "--snapshot-name", "s1", "--from-controller-address", from.address); // prettier-ignore
    t.match(await clone(), { code: 0, stderr: "" });
    t.strictSame(target?.snapshots, ["volume-snap-s1.img"]);
    t.equal(target?.calls.filter((call) => call === "snapshotClone").length, 2);
    from.twins[1]?.hashes.set("s1", rot);
    t.match(await clone(), { code: 1, stderr: /s1 has rotted at r1; .*s1 has rotted at r2/ });
  },
);

t.test("what listens nowhere is told as C does", async (t) => {
  const { code, stderr } = await longhorn("--url", "tcp://127.0.0.1:1", "info");
  t.equal(code, 1);
  t.match(stderr, /msg="Error running info command: failed to get volume 127.0.0.1:1: rpc error: code = Unavailable .*connection refused/); // prettier-ignore
});

t.test(
  "a controller ends with 61 when its replicas are there but unusable, and with 1 when one is not there",
  async (t) => {
    const rig = new Rig(t);
    (await rig.addTwin()).isOpen = true;
    const used = rig.twins[0]?.address ?? "";
    const sizes = ["--size", String(SIZE), "--current-size", String(SIZE), "--listen", "127.0.0.1:0"];
    // Whatever way data are to take.
    const unix = ["--data-server-protocol", "unix"];
    const unusable = await longhorn("controller", VOLUME, ...sizes, ...unix, "--replica", used);
    t.equal(unusable.code, 61);
    t.match(unusable.stderr, /no available backend due to replica error/);
    const absent = await longhorn(
      "controller",
      VOLUME,
      ...sizes,
      "--replica",
      used,
      "--replica",
      "tcp://127.0.0.1:1",
    );
    t.equal(absent.code, 1);
    t.match(absent.stderr, /no available backend due to service unavailable/);
  },
);
