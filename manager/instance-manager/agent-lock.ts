/** One agent per state directory: a name that the kernel frees when its process ends, however it ends. */
import { realpathSync } from "node:fs";
import { createServer, type Server } from "node:net";

/** @returns what lets it go
 * @throws {Error} another agent has it */
export async function lockState(directory: string): Promise<() => void> {
  // In Linux's abstract namespace: no file that could be left over.
  const name = `\0aurochs-instance-manager:${realpathSync(directory)}`.slice(0, 107);
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = createServer((socket) => socket.destroy());
    listening
      .once("error", () => reject(new Error(`another instance manager uses ${directory}`)))
      .listen(name, () => resolve(listening));
  });
  server.unref();
  return () => server.close();
}
