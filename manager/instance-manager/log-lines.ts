/** The lines of an instance's log file. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Outgoing } from "../../proto/server-stream.js";
import { olderLog } from "./logs.js";

/** Sends what a log holds now; one that is not there yet is empty. */
export async function sendLog(path: string, out: Outgoing<{ line: string }>): Promise<void> {
  for (const file of [olderLog(path), path]) await sendFile(file, out);
}

async function sendFile(path: string, { send, signal }: Outgoing<{ line: string }>): Promise<void> {
  const size = await open(path, "r").then(
    async (file) => {
      const { size: bytes } = await file.stat();
      await file.close();
      return bytes;
    },
    () => 0,
  );
  if (size === 0) return;
  const lines = createInterface({ input: createReadStream(path, { end: size - 1 }), crlfDelay: Infinity });
  for await (const line of lines) {
    if (signal.aborted) break;
    send({ line });
  }
}
