/** A volume's processes one by one, where `aurochs up` would treat them all alike: other boots, other peers. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, startDaemon, waitFor, type Daemon } from "./process.js";
import { freePort } from "./volume.js";

const START_TIMEOUT_MS = 120_000;

export interface ReplicaOptions {
  dir: string;
  size: string;
  volume?: string;
  /** as /proc/sys/kernel/random/boot_id says it; absent: this machine's */
  bootId?: string;
  args?: string[];
}

export interface RunningReplica extends Daemon {
  /** control address */
  address: string;
}

/** Starts a replica daemon; does not wait for it. */
export async function startReplica(options: ReplicaOptions): Promise<RunningReplica> {
  const { dir, size, volume = "test", bootId, args = [] } = options;
  const address = `127.0.0.1:${await freePort()}`;
  const daemon = startDaemon("bin/aurochs", [
    ...["replica", dir, "--listen", address, "--volume", volume, "--size", size],
    ...bootIdArguments(dir, bootId),
    ...args,
  ]);
  return { ...daemon, address };
}

export interface EngineOptions {
  /** its ready file goes here */
  dir: string;
  size: string;
  /** control addresses */
  replicas: string[];
  volume?: string;
  bootId?: string;
  args?: string[];
}

export interface RunningEngine extends Daemon {
  /** Waits until initiators can log in. @throws when the engine ends before */
  url(): Promise<string>;
}

export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  const { dir, size, replicas, volume = "test", bootId, args = [] } = options;
  const readyFile = join(dir, "engine-ready.json");
  rmSync(readyFile, { force: true });
  const daemon = startDaemon("bin/aurochs", [
    ...[
      "engine",
      volume,
      "--size",
      size,
      "--portal",
      `127.0.0.1:${await freePort()}`,
      "--ready-file",
      readyFile,
    ],
    ...replicas.flatMap((address) => ["--replica", address]),
    ...bootIdArguments(join(dir, "engine"), bootId),
    ...args,
  ]);
  const url = (): Promise<string> =>
    waitFor("the engine to serve", START_TIMEOUT_MS, () => {
      if (!isAlive(daemon.pid)) throw new Error(`the engine has ended:\n${daemon.output()}`);
      return existsSync(readyFile)
        ? (JSON.parse(readFileSync(readyFile, "utf8")) as { iscsi: string }).iscsi
        : undefined;
    });
  return { ...daemon, url };
}

/** SIGTERM, and wait. @returns the exit code */
export async function stop(daemon: Daemon): Promise<number | NodeJS.Signals> {
  daemon.child.kill("SIGTERM");
  return daemon.ended;
}

export async function kill(daemon: Daemon): Promise<void> {
  daemon.child.kill("SIGKILL");
  await daemon.ended;
}

function bootIdArguments(beside: string, bootId: string | undefined): string[] {
  if (bootId === undefined) return [];
  const path = `${beside}.boot-id`;
  writeFileSync(path, `${bootId}\n`);
  return ["--boot-id-file", path];
}
