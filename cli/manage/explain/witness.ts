/** What a volume that is healthy could not bear. */
import { oneLine } from "../volume-text.js";
import type { Facts, Finding } from "./facts.js";

const EFFECT =
  "If its engine and a copy were lost together, as with a node that has both, it could not be used elsewhere before that copy is back: nothing could prove that the other one is current.";

export function unwitnessed({ volume }: Facts): Finding[] {
  const witnessed = volume.conditions["Witnessed"];
  if (witnessed?.status !== "False" || volume.state !== "attached" || volume.robustness !== "healthy")
    return [];
  const next =
    witnessed.reason === "NoNode" ? ["Add a node: a witness is put there by itself, and needs next to no room."] : []; // prettier-ignore
  return [{ what: `It has no witness that counts. ${EFFECT}`, evidence: [oneLine(witnessed.message)], next }];
}
