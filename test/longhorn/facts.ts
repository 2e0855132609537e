/** The facts about Longhorn's gRPC interface, which lie beside the checkout. */
import { readFileSync } from "node:fs";
import { aboutLonghorn } from "../golden/archives.js";

export interface FieldFact {
  name: string;
  number: number;
  type: string;
  repeated?: boolean;
  map?: boolean;
  keyType?: string;
}
interface RpcFact {
  name: string;
  request: string;
  response: string;
}
export interface PackageFacts {
  services: Record<string, { fullName: string; rpcs: RpcFact[] }>;
  messages: Record<string, FieldFact[]>;
  enums: Record<string, Record<string, number>>;
}
interface ChangeFact {
  kind: string;
  service?: string;
  rpc?: string;
  request?: string;
  response?: string;
  now?: [string, string];
  message?: string;
  field?: FieldFact;
  fields?: FieldFact[];
}
interface Facts {
  packages: Record<string, PackageFacts>;
  notes: { v1_12_1_proto_changes: ChangeFact[] };
}

/** What both versions that are spoken here have: the older one's facts with the newer one's changes applied. */
export function facts(): Record<string, PackageFacts> {
  const { packages, notes } = JSON.parse(readFileSync(aboutLonghorn("engine-api.json"), "utf8")) as Facts;
  const engine = packages["ptypes"];
  if (engine === undefined) throw new Error("no facts about ptypes");
  for (const change of notes.v1_12_1_proto_changes) {
    const { kind, service = "", rpc = "", message = "" } = change;
    const rpcs = engine.services[service]?.rpcs ?? [];
    if (kind === "rpc added")
      rpcs.push({ name: rpc, request: change.request ?? "", response: change.response ?? "" });
    else if (kind === "rpc signature changed")
      for (const one of rpcs.filter(({ name }) => name === rpc)) one.request = change.now?.[0] ?? "";
    else if (kind === "message added") engine.messages[message] = change.fields ?? [];
    else if (kind === "field added" && change.field !== undefined)
      engine.messages[message]?.push(change.field);
    else throw new Error(`unknown change: ${kind}`);
  }
  return packages;
}

interface InstanceManagerFacts {
  services: Record<
    string,
    {
      package: string;
      rpcs: { name: string; path: string; request: string; response: string; serverStreaming?: boolean }[];
    }
  >;
  messages: Record<string, { fields: { name: string; number: number; type: string; label?: string }[] }>;
  enums: Record<string, { values: Record<string, number> }>;
}

/** About Longhorn's instance manager; names are full ones, and those of ProcessManagerService have no package. */
export function instanceManagerFacts(): InstanceManagerFacts {
  return JSON.parse(readFileSync(aboutLonghorn("instance-manager-api.json"), "utf8")) as InstanceManagerFacts;
}
