/** Asks an engine how it is, and shows it. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineReady } from "../engine/main.js";
import { EngineControl, type EngineStatus } from "../proto/control.js";
import { unaryClient } from "../proto/unary.js";
import { EXIT } from "../engine/exit-codes.js";
import { stopSignal } from "./signals.js";
import { statusText } from "./status-text.js";
import { engineFile } from "./up-state.js";

const CALL_TIMEOUT_MS = 2_000;
const WATCH_INTERVAL_MS = 1_000;

export type Where = { engine: string } | { stateDir: string };

export interface ShowOptions {
  json: boolean;
  watch: boolean;
}

/** @returns the exit code */
export async function showStatus(where: Where, { json, watch }: ShowOptions): Promise<number> {
  const stop = stopSignal();
  let before: EngineStatus | null = null;
  do {
    const status = await askEngine("engine" in where ? where.engine : controlAddress(where.stateDir));
    if (json) process.stdout.write(`${JSON.stringify(status)}\n`);
    else process.stdout.write(`${watch ? "\n" : ""}${statusText(status, before, WATCH_INTERVAL_MS)}`);
    before = status;
    if (watch) await sleep(WATCH_INTERVAL_MS, undefined, { signal: stop }).catch(() => undefined);
  } while (watch && !stop.aborted);
  return EXIT.OK.code;
}

/** @throws {RpcError} */
export async function askEngine(address: string): Promise<EngineStatus> {
  const { calls, close } = unaryClient(EngineControl, address);
  try {
    return await calls.status({}, { timeoutMs: CALL_TIMEOUT_MS });
  } finally {
    close();
  }
}

function controlAddress(stateDir: string): string {
  const ready = readEngineFile(engineFile(stateDir));
  if (ready?.control == null)
    throw new Error(`no volume is served from ${stateDir}: ${engineFile(stateDir)} is not there`);
  return ready.control;
}

/** What an engine wrote when it was ready; null when it has not. */
export function readEngineFile(path: string): EngineReady | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as EngineReady;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
