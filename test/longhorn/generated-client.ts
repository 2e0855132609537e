/** A client of Longhorn's engine interface that is generated from the facts about it, and shares no code with ours. */
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { facts, type FieldFact } from "./facts.js";

export type Service = "ControllerService" | "ReplicaService" | "SyncAgentService";
export type Fields = Record<string, unknown>;

/** What came back: fields by the names of the contract, those that are zero included; 64-bit numbers as decimal strings. */
export interface Answer {
  code: string;
  details: string;
  reply: Fields;
}

const TIMEOUT_MS = 60_000;
const EMPTY = "google.protobuf.Empty";

function fieldOf({ number: id, type, repeated, map, keyType }: FieldFact) {
  if (map === true) return { id, type, keyType };
  return repeated === true ? { id, type, rule: "repeated" } : { id, type };
}

export class GeneratedClient {
  readonly #types: protobuf.Root;
  readonly #package = facts()["ptypes"] ?? { services: {}, messages: {}, enums: {} };
  readonly #left = new Set<string>();

  constructor() {
    const nested: Record<string, protobuf.AnyNestedObject> = {};
    for (const [name, fields] of Object.entries(this.#package.messages))
      nested[name] = { fields: Object.fromEntries(fields.map((one) => [one.name, fieldOf(one)])) };
    for (const [name, values] of Object.entries(this.#package.enums)) nested[name] = { values };
    this.#types = protobuf.Root.fromJSON({ nested });
    for (const [service, { rpcs }] of Object.entries(this.#package.services))
      for (const { name } of rpcs) this.#left.add(`${service}.${name}`);
  }

  /** Calls that nobody has made yet. */
  get left(): string[] {
    return [...this.#left];
  }

  /** @param address `host:port`
   * @param sent metadata */
  async call(
    service: Service,
    address: string,
    rpc: string,
    fields: Fields = {},
    sent = {},
  ): Promise<Answer> {
    const found = this.#package.services[service]?.rpcs.find(({ name }) => name === rpc);
    if (found === undefined) throw new Error(`there is no ${service}.${rpc}`);
    this.#left.delete(`${service}.${rpc}`);
    const client = new Client(address, credentials.createInsecure());
    const request = found.request === EMPTY ? null : this.#types.lookupType(found.request);
    const response = found.response === EMPTY ? null : this.#types.lookupType(found.response);
    const unknown = Object.keys(fields).filter((name) => request?.fields[name] === undefined);
    if (unknown.length > 0) throw new Error(`${found.request} has no ${unknown.join(", ")}`);
    const encode = () =>
      request === null ? Buffer.alloc(0) : Buffer.from(request.encode(request.fromObject(fields)).finish());
    const decode = (bytes: Buffer): Fields =>
      response === null ? {} : response.toObject(response.decode(bytes), { defaults: true, longs: String, enums: String }); // prettier-ignore
    const metadata = Metadata.fromHttp2Headers(sent);
    try {
      return await new Promise(
        (resolve) =>
        client.makeUnaryRequest(`/ptypes.${service}/${rpc}`, encode, decode, null, metadata, { deadline: Date.now() + TIMEOUT_MS }, (error: ServiceError | null, reply?: Fields) => resolve({ code: status[error?.code ?? status.OK], details: error?.details ?? "", reply: reply ?? {} })), // prettier-ignore
      );
    } finally {
      client.close();
    }
  }
}
