/**
 * A client that knows nothing but the URL: it learns types, methods and actions from the schemas, and follows the links and
 * actions that it is given, as Longhorn's Python client does.
 */
import type { Json } from "./rig.js";

export class SchemaClient {
  private constructor(private readonly schemas: ReadonlyMap<string, Json>) {}

  static async connect(url: string): Promise<SchemaClient> {
    const where = (await fetch(url)).headers.get("x-api-schemas");
    const { data } = (await (await fetch(where ?? "")).json()) as Json;
    return new SchemaClient(new Map((data as Json[]).map((schema) => [schema.id, schema])));
  }

  types(): string[] {
    return [...this.schemas.keys()];
  }

  /** All fields with which one can be created. */
  creatable(type: string): string[] {
    const fields = Object.entries(this.#schema(type).resourceFields as Record<string, Json>);
    return fields.filter(([, field]) => field.create === true).map(([name]) => name);
  }

  async list(type: string): Promise<Json[]> {
    return (await this.#request("GET", this.#collection(type, "GET"))).data;
  }

  async byId(type: string, id: string): Promise<Json> {
    return this.#request("GET", `${this.#collection(type, "GET")}/${id}`);
  }

  async create(type: string, fields: object): Promise<Json> {
    return this.#request("POST", this.#collection(type, "POST"), fields);
  }

  async update(resource: Json, fields: object): Promise<Json> {
    this.#allow(this.#schema(resource.type).resourceMethods, "PUT");
    return this.#request("PUT", resource.links.self, fields);
  }

  async delete(resource: Json): Promise<void> {
    this.#allow(this.#schema(resource.type).resourceMethods, "DELETE");
    await this.#request("DELETE", resource.links.self);
  }

  async reload(resource: Json): Promise<Json> {
    return this.#request("GET", resource.links.self);
  }

  /** @throws the schema has no such action, its input has no such field, or the resource does not allow it now */
  async act(resource: Json, action: string, input: object = {}): Promise<Json> {
    const declared = this.#schema(resource.type).resourceActions[action];
    if (declared === undefined) throw new Error(`${resource.type} has no action ${action}`);
    const url = resource.actions[action];
    if (url === undefined) throw new Error(`${action} is not possible now`);
    const fields = this.schemas.get(declared.input ?? "")?.resourceFields;
    for (const name of Object.keys(input))
      if (fields !== undefined && fields[name] === undefined)
        throw new Error(`${declared.input} has no ${name}`);
    return this.#request("POST", url, input);
  }

  #schema(type: string): Json {
    const schema = this.schemas.get(type);
    if (schema === undefined) throw new Error(`there is no type ${type}`);
    return schema;
  }

  #collection(type: string, method: string): string {
    const schema = this.#schema(type);
    this.#allow(schema.collectionMethods, method);
    return schema.links.collection;
  }

  #allow(methods: string[], method: string): void {
    if (!methods.includes(method)) throw new Error(`${method} is not among ${methods.join(", ")}`);
  }

  async #request(method: string, url: string, body?: object): Promise<Json> {
    const response = await fetch(url, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw Object.assign(new Error(text === "" ? "nothing" : JSON.parse(text).message), { status: response.status }); // prettier-ignore
    return text === "" ? null : JSON.parse(text);
  }
}
