/** The process's log: JSON lines on stderr, level by AUROCHS_LOG_LEVEL. */
import { pino, type Logger } from "pino";

export const LOG_OPTIONS = {
  level: process.env["AUROCHS_LOG_LEVEL"] ?? "info",
  redact: ["*.secret", "chap.*.secret"],
};

export function processLog(name: string): Logger {
  return pino(
    { name, ...LOG_OPTIONS },
    // Synchronous: the last line of a process that ends is the one that matters.
    pino.destination({ dest: 2, sync: true }),
  );
}
