/** A volume with a long chain of snapshots below its head. */
import { load } from "../load.js";
import { PATTERNS } from "../patterns.js";
import { measureWithLoad, type Setup, type SetupKind } from "../setup.js";
import { LonghornVolume } from "./longhorn-volume.js";

const SNAPSHOTS = 100;

/** Of random writes before each snapshot, at depth 32. */
const SECONDS_BETWEEN = 0.1;

export const oursSnapshots: SetupKind = {
  name: "ours-snapshots",
  label: `aurochs, 2 replicas, ${SNAPSHOTS} snapshots`,
  spacePerByte: 4,
  canBeFresh: false,
  needs: [],
  async start({ directory, size }, signal): Promise<Setup> {
    const volume = await LonghornVolume.start(directory, size, signal);
    const { access, processes } = volume;
    return {
      access,
      processes,
      measure: (request, abort) => measureWithLoad({ access, processes }, request, abort),
      filled: (abort) => takeSnapshots(volume, size, abort),
      stop: () => volume.stop(),
    };
  },
};

async function takeSnapshots(volume: LonghornVolume, size: number, signal: AbortSignal): Promise<void> {
  const pattern = PATTERNS.find(({ name }) => name === "randwrite-4k-d32");
  if (pattern === undefined) throw new Error("there is no pattern of random writes");
  for (let seed = 1; seed <= SNAPSHOTS; seed++) {
    const request = { pattern, range: size, seconds: SECONDS_BETWEEN, warmup: 0, seed, processes: [] };
    await load(volume.access, request, signal);
    await volume.snapshot(`s${seed}`);
  }
}
