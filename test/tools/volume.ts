/** A whole volume of ours: `bin/aurochs up` in a directory of its own, on a port of its own. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../cli/free-ports.js";
import { isAlive, startDaemon, waitFor, type Daemon } from "./process.js";

/** Processes take a second to start; a machine that also compiles may take far longer. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;

export interface VolumeOptions {
  size: string;
  replicas?: number;
  /** kept between runs; absent: a fresh one that is removed in the end */
  stateDir?: string;
  port?: number;
  /** further arguments of `aurochs up` */
  args?: string[];
  env?: NodeJS.ProcessEnv;
}

export interface ReplicaInfo {
  /** null: it has died and is being started again */
  pid: number | null;
  dir: string;
  address: string;
  mode: string;
}

/** The ready file of `aurochs up`. */
interface Ready {
  iscsi: string;
  engine: { pid: number | null };
  replicas: ReplicaInfo[];
}

export interface RunningVolume {
  url: string;
  port: number;
  stateDir: string;
  up: Daemon;
  /** the latest ready file: pids change when `up` restarts a process */
  info(): Ready;
  /** SIGTERM, and wait. @throws when it does not end cleanly */
  stop(): Promise<void>;
  /** SIGKILL for everything, as a crash of the machine's processes would */
  kill(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts([], 1, 1);
  return port;
}

export async function startVolume(options: VolumeOptions & { stateDir: string }): Promise<RunningVolume> {
  const { size, stateDir } = options;
  const port = options.port ?? (await freePort());
  const readyFile = join(stateDir, "ready.json");
  rmSync(readyFile, { force: true });
  const up = startDaemon(
    "bin/aurochs",
    [
      ...["up", "--state-dir", stateDir, "--volume", "test", "--size", size],
      ...[
        "--portal",
        `127.0.0.1:${port}`,
        "--replicas",
        String(options.replicas ?? 2),
        "--ready-file",
        readyFile,
      ],
      ...(options.args ?? []),
    ],
    { env: { ...process.env, ...options.env } },
  );
  const info = (): Ready => JSON.parse(readFileSync(readyFile, "utf8")) as Ready;
  // `up` first: it would start the others again.
  const pids = (): number[] =>
    [up.pid, info().engine.pid, ...info().replicas.map(({ pid }) => pid)].filter((pid) => pid !== null);

  let exit: number | NodeJS.Signals | undefined;
  void up.ended.then((code) => (exit = code));
  await waitFor("the volume to serve", START_TIMEOUT_MS, () => {
    if (exit !== undefined) throw new Error(`aurochs up ended with ${exit}`);
    return existsSync(readyFile) ? true : undefined;
  }).catch((error: unknown) => {
    up.child.kill("SIGKILL");
    throw new Error(`${(error as Error).message}; aurochs up said:\n${up.output()}`, { cause: error });
  });

  return {
    url: info().iscsi,
    port,
    stateDir,
    up,
    info,
    stop: async () => {
      const all = pids();
      up.child.kill("SIGTERM");
      await waitFor("aurochs up to stop", STOP_TIMEOUT_MS, () => exit);
      const left = all.filter(isAlive);
      if (exit !== 0 || left.length > 0)
        throw new Error(`aurochs up ended with ${exit}, left behind: [${left.join()}]\n${up.output()}`);
    },
    kill: async () => {
      const all = pids();
      for (const pid of all) if (isAlive(pid)) process.kill(pid, "SIGKILL");
      await waitFor("the processes to end", STOP_TIMEOUT_MS, () => (all.some(isAlive) ? undefined : true));
    },
  };
}

/** Serves a volume while `body` runs; cleans up also when that throws. */
export async function withVolume(
  options: VolumeOptions,
  body: (volume: RunningVolume) => Promise<void>,
): Promise<void> {
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), "aurochs-test-"));
  try {
    const volume = await startVolume({ ...options, stateDir });
    try {
      await body(volume);
    } catch (error) {
      await volume.kill();
      throw error;
    }
    await volume.stop();
  } finally {
    if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
  }
}
