/** Our contracts against the facts about Longhorn's. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import t from "tap";
import { ControllerService, ReplicaService, SyncAgentService } from "../../proto/longhorn.js";
import { projectRoot } from "../golden/archives.js";
import { facts, type FieldFact } from "./facts.js";

async function contract(name: string): Promise<protobuf.Namespace> {
  const folder = join(projectRoot, "proto", "longhorn");
  const files = { ptypes: ["controller", "replica", "syncagent"], profilerrpc: ["profilerrpc"] }[name] ?? [];
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_from, path) => (existsSync(path) ? path : join(folder, path));
  await loaded.load(
    files.map((file) => join(folder, name, `${file}.proto`)),
    { keepCase: true },
  );
  return loaded.lookup(name) as protobuf.Namespace;
}

function fieldFact(field: protobuf.Field): FieldFact {
  const { name, id, type } = field;
  const fact: FieldFact = { name, number: id, type };
  if (field instanceof protobuf.MapField) return { ...fact, map: true, keyType: field.keyType };
  return field.repeated ? { ...fact, repeated: true } : fact;
}

const byNumber = (a: FieldFact, b: FieldFact) => a.number - b.number;

for (const name of ["ptypes", "profilerrpc"]) {
  t.test(`${name} has Longhorn's messages, enums and calls, and no others`, async (t) => {
    const expected = facts()[name];
    if (expected === undefined) throw new Error(`no facts about ${name}`);
    const nested = (await contract(name)).nestedArray;
    const messages = nested.filter((one): one is protobuf.Type => one instanceof protobuf.Type);
    t.strictSame(messages.map((one) => one.name).sort(), Object.keys(expected.messages).sort());
    for (const message of messages) {
      const found = message.fieldsArray.map(fieldFact).sort(byNumber);
      t.strictSame(found, expected.messages[message.name]?.toSorted(byNumber), message.name);
    }
    const enums = nested.filter((one): one is protobuf.Enum => one instanceof protobuf.Enum);
    t.strictSame(
      Object.fromEntries(
        enums.map(({ name: key, values }) => [key, { ...(values as Record<string, number>) }]),
      ),
      expected.enums,
    );
    const services = nested.filter((one): one is protobuf.Service => one instanceof protobuf.Service);
    t.strictSame(
      Object.fromEntries(
        services.map((service) => [
          service.name,
          service.methodsArray.map((one) => [one.name, one.requestType, one.responseType]),
        ]),
      ),
      Object.fromEntries(
        Object.entries(expected.services).map(([key, { rpcs }]) => [
          key,
          rpcs.map((rpc) => [rpc.name, rpc.request, rpc.response]),
        ]),
      ),
    );
  });
}

t.test("the tables of methods name every call by its path", (t) => {
  const { services = {} } = facts()["ptypes"] ?? {};
  const tables = { ControllerService, ReplicaService, SyncAgentService };
  for (const [name, table] of Object.entries(tables)) {
    const paths = services[name]?.rpcs.map((rpc) => `/ptypes.${name}/${rpc.name}`);
    t.strictSame(
      Object.values<{ path: string }>(table).map(({ path }) => path),
      paths,
    );
  }
  t.end();
});
