import { pino } from "pino";
import t from "tap";
import type { LogLevel } from "../log-level.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { modify } from "../store/store.js";
import { startLogLevelLoop } from "./log-level-loop.js";

t.test(
  "the setting counts at once for the manager and all agents, and for one that is started anew",
  async (t) => {
    const store = SqliteStore.open(":memory:");
    await store.create({ kind: "Setting", name: "log-level", spec: { value: "Info" } });
    const told: string[] = [];
    let onTold: () => void = () => undefined;
    let startedAnew: (agent: { node: string }, change: { of: string }) => void = () => undefined;
    const reached = (node: string) => ({
      node,
      calls: {
        instances: {
          logSetLevel: ({ level = "" }: { level?: string }) => {
            told.push(`${node} ${level}`);
            onTold();
            return Promise.resolve({});
          },
        },
      },
    });
    const agents = {
      get: (node: string) => (node === "away" ? { node, calls: null } : reached(node)),
      list: () => ["a", "away", "b"].map(reached),
      watch: (listener: typeof startedAnew) => {
        startedAnew = listener;
        return () => undefined;
      },
    };
    const own: LogLevel = { level: "warn" };
    const loop = startLogLevelLoop(store, agents, own, pino({ level: "silent" }));
    t.teardown(async () => {
      await loop.stop();
      await store.close();
    });
    const until = (count: number) =>
      new Promise<void>((resolve) => {
        onTold = () => {
          if (told.length === count) resolve();
        };
        onTold();
      });
    await until(2);
    t.equal(own.level, "info");
    await modify(store, "Setting", "log-level", "spec", ({ spec }) => {
      spec.value = "Debug";
    });
    await until(4);
    t.equal(own.level, "debug");
    startedAnew({ node: "b" }, { of: "node" });
    await until(5);
    t.strictSame(told, ["a Info", "b Info", "a Debug", "b Debug", "b Debug"]);
  },
);
