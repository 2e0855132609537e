/** How much a process logs, which may change while it runs, and how much the setting log-level says. */
import type { Level, LevelWithSilent } from "pino";

/** Of a log and all its children, those that there are as well. */
export interface LogLevel {
  level: LevelWithSilent;
}

/** Longhorn's levels, as logrus names them. */
const LEVELS: Readonly<Record<string, Level>> = {
  PANIC: "fatal",
  FATAL: "fatal",
  ERROR: "error",
  WARN: "warn",
  WARNING: "warn",
  INFO: "info",
  DEBUG: "debug",
  TRACE: "trace",
};

/** @param name in whatever case
 * @returns null: it is none */
export function levelNamed(name: string): Level | null {
  const wanted = name.toUpperCase();
  return Object.hasOwn(LEVELS, wanted) ? (LEVELS[wanted] ?? null) : null;
}
