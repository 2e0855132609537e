/** An engine that starts has opened a replica, and is slow: another one takes the volume meanwhile. */
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import t from "tap";
import { ReplicaEntry } from "../../engine/controller/replica-entry.js";
import { ReplicaControl, type OpeningRequest } from "../../proto/control.js";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { runReplica } from "../../replica/main.js";
import { scratch } from "../../replica/scratch.js";

const CALL = { timeoutMs: 30_000 };
const SIZE = 4 << 20;
const log = pino({ level: "silent" });

t.test("what it asks for then is refused, until the replica is its own", async (t) => {
  const files = {
    directory: join(scratch(t), "r"),
    size: SIZE,
    cache: "writeback" as const,
    backingFile: null,
  };
  const daemon = await runReplica(
    [{ ...files, bootIdFile: null, host: "127.0.0.1", port: 0, volume: "vol", replicaId: null }],
    log,
  );
  t.teardown(() => daemon.stop());
  const address = `127.0.0.1:${daemon.replicas[0]?.port ?? 0}`;
  const control = unaryClient(ReplicaControl, address);
  const replica = unaryClient(ReplicaService, address);
  const { replicaId } = await control.calls.identify({}, CALL);
  const record = async (generation: number, engineId: string): Promise<OpeningRequest> => {
    const member = {
      generation,
      engineId,
      members: ["another"],
      witnesses: [],
      absent: [],
      engineBootId: "",
    };
    const rest = {
      engineState: new Uint8Array(),
      revisionAtLeast: 0,
      reverting: "",
      leased: false,
      heldByAll: 0,
    };
    const request = { volume: "vol", replicaId, basis: null, record: { ...member, ...rest } };
    await control.calls.record(request, CALL);
    return { engineId, generation, opening: "" };
  };
  await record(1, "before");
  await replica.calls.replicaClose({}, CALL);

  let engine: OpeningRequest | null = null;
  const entry = new ReplicaEntry(address, {
    volume: "vol",
    engineId: "slow",
    takesFiles: false,
    dataSocket: null,
    engineAt: () => engine,
  });
  t.teardown(() => [control, replica].forEach(({ close }) => close()));
  t.teardown(() => entry.disconnect());
  t.match(await entry.open(false, log), { size: String(SIZE) });
  const isMarked = (marked: boolean) =>
    entry.call("mark", (calls, options) => calls.unmapMarkDiskChainRemovedSet({ enabled: marked }, options));
  await isMarked(true);

  const other = await record(2, "other");
  // It is being rebuilt there: half of it is not taken for a copy.
  await replica.calls.rebuildingSet({ rebuilding: true }, { ...CALL, engine: other });
  const refused = { code: status.FAILED_PRECONDITION, message: /engine other is recorded with generation 2/ };
  await t.rejects(entry.call("rebuilt", (calls, options) => calls.rebuildingSet({ rebuilding: false }, options)), refused); // prettier-ignore
  await t.rejects(entry.call("grow", (calls, options) => calls.replicaExpand({ size: 2 * SIZE }, options)), refused); // prettier-ignore
  await t.rejects(isMarked(false), refused);
  const now = { rebuilding: true, size: String(SIZE), unmapMarkDiskChainRemoved: true };
  t.match(await entry.get(), now);

  engine = await record(3, "slow");
  await isMarked(false);
  // It is no part of the volume any more, and another one has it.
  engine = null;
  await isMarked(true);
  await record(4, "other");
  await t.rejects(isMarked(false), { code: status.FAILED_PRECONDITION });
  t.match(await entry.get(), now);
});
