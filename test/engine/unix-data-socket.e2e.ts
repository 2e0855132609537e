/** Engine and replica of a volume that stays on its machine: its data go through Longhorn's unix socket, whose folder is root's. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import t from "tap";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { TwinReplica } from "../longhorn/twin-replica.js";
import { Dataconn, TYPE } from "../tools/dataconn.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { LonghornCluster, type Node } from "./longhorn-cluster.js";

const SIZE = 8 << 20;
const MIB = 1 << 20;
const VOLUME = "test-vol";
/** engine.md section 1 */
const SOCKET = `/host/var/lib/longhorn/unix-domain-socket/${VOLUME}.sock`;
const UNIX = ["--data-server-protocol", "unix"];

function clusterFor(t: { teardown: (end: () => Promise<void>) => void }): LonghornCluster {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(async () => {
    await cluster.end();
    rmSync(SOCKET, { force: true });
  });
  return cluster;
}

async function opened({ address }: Node): Promise<void> {
  const { calls, close } = unaryClient(ReplicaService, address.slice("tcp://".length));
  await calls.replicaOpen({}, { timeoutMs: 60_000 });
  close();
}

const version = (number: number) => [{ version: number, sectors: MIB / 512 }];

t.test("a client of Longhorn's data protocol finds a replica there, and at no port", async (t) => {
  const cluster = clusterFor(t);
  const node = await cluster.addNode(UNIX);
  await opened(node);
  const data = Buffer.alloc(8192, "longhorn");
  const longhorn = await Dataconn.open({ path: SOCKET });
  t.match(await longhorn.ask(TYPE.WRITE, 4096, data.length, data), { type: TYPE.RESPONSE, size: 8192 });
  t.ok((await longhorn.ask(TYPE.READ, 4096, data.length)).data.equals(data));
  longhorn.close();
  const port = Number(new URL(node.address).port) + 1;
  await t.rejects(Dataconn.open({ host: "127.0.0.1", port }), { code: "ECONNREFUSED" });
  await cluster.stop(node.process);
  t.notOk(existsSync(SOCKET), "it goes with its replica");
});

t.test("our engine finds our replica there, also one in the place of one that was killed", async (t) => {
  const cluster = clusterFor(t);
  const node = await cluster.addNode(UNIX);
  cluster.engineFlags = UNIX;
  for (const round of [1, 2]) {
    const engine = await cluster.startEngine([node]);
    const io = await IscsiIo.connect(engine.iscsi);
    if (round === 2) t.strictSame(await io.read(0, MIB), version(1));
    await io.write(0, MIB, round);
    t.strictSame(await io.read(0, MIB), version(round));
    io.kill();
    await cluster.stop(engine.process);
    if (round === 2) break;
    await cluster.kill(node.process);
    t.ok(existsSync(SOCKET), "left");
    await cluster.restart(node, UNIX);
  }
});

t.test("our engine finds one of Longhorn's replicas there", async (t) => {
  const cluster = clusterFor(t);
  mkdirSync(dirname(SOCKET), { recursive: true });
  const twin = new TwinReplica("r0", VOLUME, SIZE);
  twin.isLonghorns = true;
  twin.dataSocket = SOCKET;
  await twin.start();
  t.teardown(() => twin.stop());
  cluster.engineFlags = UNIX;
  const engine = await cluster.startEngine([twin]);
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(MIB, MIB, 3);
  t.strictSame(await io.read(MIB, MIB), version(3));
  t.ok(twin.backend.content.subarray(MIB, 2 * MIB).some((byte) => byte !== 0));
  t.equal(twin.revisionCounter > 0, true);
  io.kill();
  await cluster.stop(engine.process);
});
