/** How an engine is started again that crashed: as it was, not as it once began. Pure. */

/** What changes in an engine's life, and its arguments do not tell. */
export interface EngineFacts {
  /** as its clients name them */
  replicas: string[];
  /** bytes */
  size: number;
  /** "" while none is up */
  frontend: string;
  unmapMarkSnapChainRemoved: boolean;
  snapshotMaxCount: number;
  /** bytes */
  snapshotMaxSize: number;
  /** `host:port`; "": it has none, as where an earlier version has kept this */
  witness?: string;
}

/** Flags of `longhorn controller` that only hold for its first start: nothing is salvaged unasked, and there is no engine
 * to take over from. */
const ONCE = ["upgrade", "salvageRequested"];
const REPLACED = [
  ...["replica", "witness", "frontend", "size", "current-size", "snapshot-max-count", "snapshot-max-size"],
];
const REPLACED_BOOLEANS = ["unmap-mark-snap-chain-removed"];

/** @param last null: it never told; then it is as it began */
export function restartArguments(args: readonly string[], last: EngineFacts | null): string[] {
  const kept = without(args, [], ONCE);
  if (last === null) return kept;
  const { witness = "" } = last;
  return [
    ...without(kept, REPLACED, REPLACED_BOOLEANS),
    ...last.replicas.flatMap((address) => ["--replica", address]),
    ...["--frontend", last.frontend, "--size", String(last.size), "--current-size", String(last.size)],
    ...["--snapshot-max-count", String(last.snapshotMaxCount)],
    ...["--snapshot-max-size", String(last.snapshotMaxSize)],
    ...(last.unmapMarkSnapChainRemoved ? ["--unmap-mark-snap-chain-removed"] : []),
    ...(witness === "" ? [] : ["--witness", witness]),
  ];
}

function without(args: readonly string[], names: readonly string[], booleans: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const [, name = "", value] = /^--?([^-=][^=]*)(=.*)?$/s.exec(arg) ?? [];
    if (booleans.includes(name)) continue;
    if (!names.includes(name)) kept.push(arg);
    else if (value === undefined) i += 1;
  }
  return kept;
}
