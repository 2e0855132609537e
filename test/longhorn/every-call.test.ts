/** A client generated from the facts calls everything that a server has to answer. */
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import t from "tap";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { runReplica } from "../../replica/main.js";
import { syncAgentAddress } from "../../replica/sync/addresses.js";
import { serveAgent } from "../../replica/sync/testing.js";
import { facts } from "./facts.js";
import { Rig } from "./rig.js";

/** What answers UNIMPLEMENTED, and why. Taking one into service means taking it off this list. */
const UNIMPLEMENTED: Record<string, Record<string, string>> = {
  ControllerService: {
    VolumeIO: "as in Longhorn",
  },
  ReplicaService: {},
  SyncAgentService: {
    BackupCreate: "backups are missing",
    BackupRemove: "backups are missing",
    BackupRestore: "backups are missing",
    BackupStatus: "backups are missing",
  },
};

/** @returns the code of the answer to an empty request, whose fields are all zero */
function callWithNothing(client: Client, path: string): Promise<status> {
  const nothing = () => Buffer.alloc(0);
  return new Promise((resolve) =>
    client.makeUnaryRequest(
      path,
      nothing,
      nothing,
      null,
      { deadline: Date.now() + 60_000 },
      (error: ServiceError | null) => resolve(error === null ? status.OK : error.code),
    ),
  );
}

async function answers(address: string, service: string): Promise<Map<string, status>> {
  const client = new Client(address, credentials.createInsecure());
  const { rpcs = [] } = facts()["ptypes"]?.services[service] ?? {};
  const found = new Map<string, status>();
  for (const { name } of rpcs) found.set(name, await callWithNothing(client, `/ptypes.${service}/${name}`));
  client.close();
  return found;
}

/** @returns calls of a service that are not answered as they should be: those that nobody knows, or that end a server */
function unanswered(service: string, found: ReadonlyMap<string, status>): string[] {
  const expected = Object.keys(UNIMPLEMENTED[service] ?? {});
  const wrong = [...found].filter(
    ([name, code]) =>
      (code === status.UNIMPLEMENTED) !== expected.includes(name) || code === status.UNAVAILABLE,
  );
  return wrong.map(([name, code]) => `${name}: ${status[code]}`);
}

t.test("a replica answers every call of its service, closed and open", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-"));
  const home = { directory, host: "127.0.0.1", port: 0, size: 4 << 20, volume: "vol", replicaId: null };
  const files = { cache: "writeback", backingFile: null, bootIdFile: null, startClosed: true } as const;
  const daemon = await runReplica([{ ...home, ...files }], pino({ level: "silent" }));
  t.teardown(async () => {
    await daemon.stop();
    rmSync(directory, { recursive: true });
  });
  const address = `127.0.0.1:${daemon.replicas[0]?.port}`;
  for (const round of ["closed", "open"]) {
    const found = await answers(address, "ReplicaService");
    t.ok(found.size > 15);
    t.strictSame(unanswered("ReplicaService", found), [], round);
    const { calls, close } = unaryClient(ReplicaService, address);
    await calls.replicaCreate({ size: String(4 << 20) }, { timeoutMs: 60_000 });
    await calls.replicaOpen({}, { timeoutMs: 60_000 });
    close();
  }
});

t.test("a sync agent answers every call of its service", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const { replicaAddress } = await serveAgent(t, directory);
  const found = await answers(syncAgentAddress(replicaAddress), "SyncAgentService");
  t.ok(found.size > 15);
  t.strictSame(unanswered("SyncAgentService", found), []);
});

t.test("an engine answers every call of its service", async (t) => {
  const rig = new Rig(t);
  await rig.serve();
  const service = "ControllerService";
  const found = await answers(rig.address, service);
  t.ok(found.size > 20);
  const missing = [...found].filter(([, code]) => code === status.UNIMPLEMENTED).map(([name]) => name);
  t.strictSame(missing.sort(), Object.keys(UNIMPLEMENTED[service] ?? {}).sort());
  const broken = [...found].filter(([, code]) => code === status.INTERNAL || code === status.UNAVAILABLE);
  t.strictSame(broken, []);
});
