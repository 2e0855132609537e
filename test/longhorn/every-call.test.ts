/** A client generated from the facts calls everything that a server has to answer. */
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import t from "tap";
import { facts } from "./facts.js";
import { Rig } from "./rig.js";

/** What answers UNIMPLEMENTED, and why. Taking one into service means taking it off this list. */
const UNIMPLEMENTED: Record<string, Record<string, string>> = {
  ControllerService: {
    VolumeIO: "as in Longhorn",
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
