/** Runs on the engine's host and asks engines there how they are: a line with an address, a line with the answer. */
import { createInterface } from "node:readline";
import { askEngine } from "../../../cli/status.js";

for await (const address of createInterface(process.stdin)) {
  const answer = await askEngine(address).catch((error: unknown) => ({ error: (error as Error).message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
