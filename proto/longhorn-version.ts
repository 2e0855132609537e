/** Which versions of Longhorn's interfaces are spoken here: managers compare them before they use an engine. */
import type { VersionOutput } from "./longhorn.js";

/** Those of Longhorn's engine 1.10. */
export const API_VERSIONS = {
  cliAPIVersion: 10,
  cliAPIMinVersion: 8,
  controllerAPIVersion: 5,
  controllerAPIMinVersion: 4,
  dataFormatVersion: 1,
  dataFormatMinVersion: 1,
} as const satisfies Partial<VersionOutput>;

/** @param version our own */
export function versionOutput(version: string): VersionOutput {
  return { version, gitCommit: "", buildDate: "", ...API_VERSIONS };
}
