/** Our contracts of the instance manager against the facts about Longhorn's. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import t from "tap";
import * as contracts from "../../proto/instance-manager.js";
import { projectRoot } from "../golden/archives.js";
import { instanceManagerFacts } from "./facts.js";

const folder = join(projectRoot, "proto", "longhorn");

async function load(): Promise<protobuf.Root> {
  const root = new protobuf.Root();
  root.resolvePath = (_from, path) => (existsSync(path) ? path : join(folder, path));
  const files = readdirSync(join(folder, "imrpc")).map((file) => join(folder, "imrpc", file));
  await root.load(files, { keepCase: true });
  root.resolveAll();
  return root;
}

const fullName = (object: protobuf.ReflectionObject | null, otherwise: string) =>
  object === null ? otherwise : object.fullName.slice(1);

function typeOf(field: protobuf.Field): string {
  const type = fullName(field.resolvedType, field.type);
  return field instanceof protobuf.MapField ? `map<${field.keyType},${type}>` : type;
}

/** Of packages that are Longhorn's instance manager's, or of none. */
function all<T extends protobuf.ReflectionObject>(root: protobuf.Root, kind: new (...args: never[]) => T) {
  const namespaces = [root, root.lookup("imrpc") as protobuf.Namespace];
  return namespaces
    .flatMap(({ nestedArray }) => nestedArray)
    .filter((one): one is never => one instanceof kind) as T[];
}

const facts = instanceManagerFacts();
const isOurs = (name: string) => !name.startsWith("ptypes.");

t.test("imrpc has Longhorn's messages and enums, and no others", async (t) => {
  const root = await load();
  const messages = all(root, protobuf.Type as never) as unknown as protobuf.Type[];
  t.strictSame(
    messages.map((one) => fullName(one, "")).sort(),
    Object.keys(facts.messages).filter(isOurs).sort(),
  );
  for (const message of messages) {
    const found = message.fieldsArray.map((field) => ({
      name: field.name,
      number: field.id,
      type: typeOf(field),
      repeated: field.repeated,
    }));
    const expected = facts.messages[fullName(message, "")]?.fields.map(({ name, number, type, label }) => ({
      name,
      number,
      type,
      repeated: label === "repeated",
    }));
    const byNumber = (a: { number: number }, b: { number: number }) => a.number - b.number;
    t.strictSame(found.sort(byNumber), expected?.sort(byNumber), message.name);
  }
  const enums = all(root, protobuf.Enum as never) as unknown as protobuf.Enum[];
  t.strictSame(
    Object.fromEntries(
      enums.map((one) => [fullName(one, ""), { ...(one.values as Record<string, number>) }]),
    ),
    Object.fromEntries(
      Object.entries(facts.enums)
        .filter(([name]) => isOurs(name))
        .map(([name, { values }]) => [name, values]),
    ),
  );
});

t.test("imrpc has Longhorn's services, and no others", async (t) => {
  const services = all(await load(), protobuf.Service as never) as unknown as protobuf.Service[];
  const found = services.map((service) => [
    fullName(service, ""),
    service.methodsArray.map((one) => [
      one.name,
      fullName(one.resolvedRequestType, ""),
      fullName(one.resolvedResponseType, ""),
      one.responseStream ?? false,
    ]),
  ]);
  const expected = Object.entries(facts.services).map(([name, { rpcs }]) => [
    name,
    rpcs.map((one) => [one.name, one.request, one.response, one.serverStreaming ?? false]),
  ]);
  t.strictSame(Object.fromEntries(found), Object.fromEntries(expected));
});

t.test("the tables of methods name every call by its path", (t) => {
  for (const [name, { rpcs }] of Object.entries(facts.services)) {
    const short = name.split(".").at(-1) ?? "";
    const tables = contracts as unknown as Record<string, Record<string, { path: string }> | undefined>;
    const methods = [
      ...Object.values(tables[short] ?? {}),
      ...Object.values(tables[`${short}Streams`] ?? {}),
    ];
    t.strictSame(methods.map(({ path }) => path).sort(), rpcs.map(({ path }) => path).sort(), name);
  }
  t.end();
});
