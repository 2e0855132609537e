/** The real executable against a server of the API in this process. */
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { startRig, type Rig } from "../../../manager/rest/testing/rig.js";
import type { RestOptions } from "../../../manager/rest/server.js";
import { addNodes } from "../../../manager/rest/testing/world.js";

export const EXECUTABLE = fileURLToPath(new URL("../../../../bin/aurochs", import.meta.url));

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export interface CliRig extends Rig {
  aurochs: (...args: string[]) => Promise<Ended>;
  /** On a terminal, with what is typed there; all that is seen is in `out`. */
  typed: (keys: string, ...args: string[]) => Promise<Ended>;
  /** @returns its lines as they come; it is killed at the end of the test */
  follow: (...args: string[]) => AsyncIterator<string>;
  /** The same of what it says meanwhile, on stderr. */
  told: (...args: string[]) => AsyncIterator<string>;
}

/** With three nodes. */
export async function startCliRig(t: Test, options: Partial<RestOptions> = {}): Promise<CliRig> {
  const rig = await startRig(t, options);
  await addNodes(rig);
  const env = { PATH: process.env["PATH"], AUROCHS_URL: rig.url };
  return {
    ...rig,
    aurochs: (...args) => run(args, env),
    typed: async (keys, ...args) => {
      const command = [EXECUTABLE, ...args].map((word) => `'${word}'`).join(" ");
      return start("script", ["-qec", command, "/dev/null"], env, keys);
    },
    follow: (...args) => {
      const child = spawn(EXECUTABLE, args, { env, stdio: ["ignore", "pipe", "ignore"] });
      t.teardown(() => child.kill());
      return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    },
    told: (...args) => {
      const child = spawn(EXECUTABLE, args, { env, stdio: ["ignore", "ignore", "pipe"] });
      t.teardown(() => child.kill());
      return createInterface({ input: child.stderr })[Symbol.asyncIterator]();
    },
  };
}

export function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return start(EXECUTABLE, args, env, "");
}

function start(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  keys: string,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { env }, (_, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
    child.stdin?.end(keys);
  });
}

/** Output with ages that are the same in each run. */
export function timeless(text: string): string {
  return text.replace(/ +\d+[smhd]( ago)?(?= |$)/gm, "   AGE$1");
}
