/** A server on a store in memory. Below it only running engines are not real. */
import type { Test } from "tap";
import { SqliteEvents } from "../../events/sqlite-events.js";
import { ManagerMetrics } from "../../metrics/metrics.js";
import { openDatabase } from "../../store/database.js";
import { SqliteStore } from "../../store/sqlite-store.js";
import type { Backend } from "../backend.js";
import { RestServer, type RestOptions } from "../server.js";
import { FakeEngines } from "../../testing/fake-engines.js";

export interface Rig extends Backend {
  engines: FakeEngines;
  /** "http://127.0.0.1:PORT" */
  url: string;
  server: RestServer;
  /** what nobody expected */
  errors: unknown[];
  call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** the body, if it is JSON; null otherwise */
  json: Json;
}

// What comes over the wire may be anything; tests say what they expect of it.
export type Json = any;

export async function startRig(t: Test, options: Partial<RestOptions> = {}): Promise<Rig> {
  const database = openDatabase(":memory:");
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const store = SqliteStore.on(database);
  const events = SqliteEvents.on(database, Date.now, onError);
  const engines = new FakeEngines(store);
  const metrics = new ManagerMetrics(store, engines);
  const backend: Backend = { store, events, engines, nodes: engines };
  const server = await RestServer.listen(backend, {
    port: 0,
    token: null,
    metrics: () => metrics.text(),
    onAnswered: (method, route, status, seconds) => metrics.own.request(method, route, status, seconds),
    onStreams: (count) => metrics.own.streams(count),
    onError,
    ...options,
  });
  t.teardown(async () => {
    await server.close();
    await events.close();
    await store.close();
  });
  const url = `http://127.0.0.1:${server.address.port}`;
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const sent = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
    const response = await fetch(path.startsWith("http") ? path : url + path, {
      method,
      headers,
      redirect: "manual",
      ...(sent === undefined ? {} : { body: sent }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parse(text) };
  };
  return { ...backend, engines, url, server, errors, call };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
