/** Every field of Longhorn's objects is there, with its type, and no other. */
import { readFileSync } from "node:fs";
import type { TSchema } from "@sinclair/typebox";
import t from "tap";
import { aboutLonghorn } from "../../test/golden/archives.js";
import { KINDS, type Kind } from "./kinds.js";

type Fact =
  string | { type: string; enum?: string[]; fields?: Record<string, Fact>; mapOf?: Fact; items?: Fact };

interface KindFact {
  kind: string;
  plural: string;
  versions: { storage: boolean; spec?: Fact; status?: Fact; value?: Fact }[];
}

const { crds } = JSON.parse(readFileSync(aboutLonghorn("crds.json"), "utf8")) as { crds: KindFact[] };

/** @returns one line for each field below `path`: where it is, and its type */
function factLines(fact: Fact, path: string): string[] {
  if (fact === "map<string,string>") return factLines({ type: "object", mapOf: "string" }, path);
  if (fact === "array<string>") return factLines({ type: "array", items: "string" }, path);
  if (typeof fact === "string") return [`${path}: ${fact}`];
  if (fact.mapOf !== undefined) return factLines(fact.mapOf, `${path}{}`);
  if (fact.items !== undefined) return factLines(fact.items, `${path}[]`);
  if (fact.enum !== undefined)
    return [
      `${path}: ${fact.enum
        .filter((word) => word !== "")
        .sort()
        .join("|")}`,
    ];
  if (fact.type !== "object") return [`${path}: ${fact.type}`];
  return Object.entries(fact.fields ?? {}).flatMap(([name, field]) => factLines(field, `${path}.${name}`));
}

interface Schema {
  type?: string;
  anyOf?: { const: string }[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
}

function schemaLines(schema: Schema, path: string): string[] {
  if (schema.anyOf !== undefined)
    return [`${path}: ${schema.anyOf.map((one) => one.const).filter((word) => word !== "").sort().join("|")}`]; // prettier-ignore
  const [values] = Object.values(schema.patternProperties ?? {});
  if (values !== undefined) return schemaLines(values, `${path}{}`);
  if (schema.items !== undefined) return schemaLines(schema.items, `${path}[]`);
  if (schema.type !== "object") return [`${path}: ${schema.type ?? "nothing"}`];
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => schemaLines(field, `${path}.${name}`)); // prettier-ignore
}

/** Longhorn has none. */
const OURS = ["Witness"];

t.test("all kinds are there", async (t) => {
  const longhorns = crds.map(({ kind }) => kind);
  t.strictSame(Object.keys(KINDS).sort(), [...longhorns, ...OURS].sort());
});

for (const { kind, plural, versions } of crds) {
  t.test(kind, async (t) => {
    const version = versions.find(({ storage }) => storage);
    const { spec, status, plural: ours } = KINDS[kind as Kind];
    t.equal(ours, plural);
    const lines = (schema: TSchema, path: string) => schemaLines(schema as Schema, path).sort();
    const fields = { type: "object", fields: { value: version?.value ?? "" } };
    t.strictSame(lines(spec, "spec"), factLines(version?.spec ?? fields, "spec").sort());
    t.strictSame(lines(status, "status"), factLines(version?.status ?? "", "status").sort());
  });
}
