/** Which request goes to which handler. */
import type { AnyItem, Collection } from "./envelope.js";
import type { Urls } from "./urls.js";

export interface Call {
  /** by their names in the route's path, decoded */
  params: Readonly<Record<string, string>>;
  urls: Urls;
  /** @throws {ApiError} it is no JSON */
  body(): Promise<unknown>;
}

export type Reply =
  | { reply: "item"; item: AnyItem }
  | { reply: "collection"; collection: Collection }
  /** 200, no body */
  | { reply: "empty" }
  /** 404, no body: not every client reads an error envelope there */
  | { reply: "nothing" }
  | { reply: "text"; type: string; text: string };

export interface Route {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** "/v1/volumes/{name}": a part in braces takes any text but "/" */
  path: string;
  action?: string;
  handle(call: Call): Promise<Reply>;
}

export type Match =
  | { found: "route"; route: Route; params: Record<string, string> }
  /** it is registered under this path, without the slash at its end */
  | { found: "elsewhere"; path: string }
  | { found: "nothing" };

export class Router {
  readonly #routes: { route: Route; parts: string[] }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, parts: partsOf(route.path) }));
  }

  match(method: string, path: string, action: string | null): Match {
    const given = partsOf(path);
    const isSlashed = path.length > 1 && path.endsWith("/");
    for (const { route, parts } of this.#routes) {
      const params = paramsOf(parts, isSlashed ? given.slice(0, -1) : given);
      if (params === null) continue;
      if (isSlashed) return { found: "elsewhere", path: path.slice(0, -1) };
      if (route.method !== method || (route.action ?? null) !== (method === "POST" ? action : null)) continue;
      return { found: "route", route, params };
    }
    return { found: "nothing" };
  }
}

function partsOf(path: string): string[] {
  return path.split("/").slice(1);
}

function paramsOf(parts: readonly string[], given: readonly string[]): Record<string, string> | null {
  if (parts.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const text = given[i] ?? "";
    if (!part.startsWith("{")) {
      if (part !== text) return null;
      continue;
    }
    const decoded = decode(text);
    if (decoded === null || decoded === "") return null;
    params[part.slice(1, -1)] = decoded;
  }
  return params;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

export const item = (one: AnyItem): Reply => ({ reply: "item", item: one });
export const collection = (of: Collection["of"], items: readonly AnyItem[]): Reply => ({
  reply: "collection",
  collection: { of, items },
});
export const EMPTY: Reply = { reply: "empty" };
