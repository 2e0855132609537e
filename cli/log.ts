/** The process's log: JSON lines on stderr, level by AUROCHS_LOG_LEVEL. */
import { pino, type Logger } from "pino";

export function processLog(name: string): Logger {
  return pino(
    { name, level: process.env["AUROCHS_LOG_LEVEL"] ?? "info", redact: ["*.secret", "chap.*.secret"] },
    // Synchronous: the last line of a process that ends is the one that matters.
    pino.destination({ dest: 2, sync: true }),
  );
}
