/** Runs on the engine's host and asks engines and replicas there and elsewhere: a line with a question, a line with the answer. */
import { createInterface } from "node:readline";
import { askEngine } from "../../../cli/status.js";
import { VolumeClient } from "../../../engine/client/volume.js";
import type { CommandLine } from "./command-line.js";

export interface Question {
  /** how an engine of that command line is, or to close a replica */
  about: CommandLine["name"] | "close";
  address: string;
  volume: string;
}

/** How an engine is, whichever command line started it. */
export interface EngineStatus {
  state: string;
  reason: string;
  /** `cause`: "" where it is not told */
  replicas: { address: string; mode: string; cause: string }[];
  /** absent: there is none */
  witness?: { member: boolean } | null;
}

export type Answer = EngineStatus | { closed: true } | { error: string };

async function answer({ about, address, volume }: Question): Promise<Answer> {
  if (about === "aurochs") return askEngine(address);
  const client = new VolumeClient(address, { volumeName: volume, engineInstanceName: "" });
  try {
    if (about === "longhorn") {
      const { frontendState } = await client.get();
      const replicas = (await client.replicas()).map(({ address, mode }) => ({ address, mode, cause: "" }));
      return { state: frontendState === "up" ? "serving" : frontendState, reason: "", replicas };
    }
    await client.withReplica(address, (replica) =>
      replica.call("close", (calls, options) => calls.replicaClose({}, options)),
    );
    return { closed: true };
  } finally {
    client.close();
  }
}

for await (const line of createInterface(process.stdin)) {
  const question = JSON.parse(line) as Question;
  const told = await answer(question).catch((error: unknown) => ({ error: (error as Error).message }));
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
