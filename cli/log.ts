/** The process's log: JSON lines on stderr, level by AUROCHS_LOG_LEVEL. */
import { pino, type Logger, type LoggerOptions } from "pino";
import type { LogLevel } from "../manager/log-level.js";

export const LOG_OPTIONS = {
  level: process.env["AUROCHS_LOG_LEVEL"] ?? "info",
  redact: ["*.secret", "chap.*.secret"],
};

export function processLog(name: string): Logger {
  return logOf({ name, ...LOG_OPTIONS });
}

/** One whose level is only what it begins with. */
export function adjustableLog(name: string): { log: Logger; level: LogLevel } {
  const level = { level: LOG_OPTIONS.level } as LogLevel;
  return { log: logOf({ name, ...LOG_OPTIONS, ...withLevel(level) }), level };
}

/** A child takes its level from its parent when it is made: so all let everything pass, and it is looked at here. */
export function withLevel(wanted: LogLevel): LoggerOptions {
  return {
    level: "trace",
    hooks: {
      logMethod(args, method, level) {
        if (level >= (pino.levels.values[wanted.level] ?? Infinity)) method.apply(this, args);
      },
    },
  };
}

function logOf(options: LoggerOptions): Logger {
  // Synchronous: the last line of a process that ends is the one that matters.
  return pino(options, pino.destination({ dest: 2, sync: true }));
}
