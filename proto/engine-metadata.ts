/** Which engine of ours makes a call of Longhorn's services, in gRPC metadata: a replica of ours refuses what another one than the one
 * that it has recorded asks for, however late that comes. Longhorn's replicas ignore it. */
import type { Metadata } from "@grpc/grpc-js";
import type { OpeningRequest } from "./control.js";

const ENGINE_ID = "aurochs-engine-id";
const GENERATION = "aurochs-generation";
const OPENING = "aurochs-opening";

export function nameEngine(metadata: Metadata, { engineId, generation, opening }: OpeningRequest): void {
  metadata.set(ENGINE_ID, engineId);
  metadata.set(GENERATION, String(generation));
  metadata.set(OPENING, opening);
}

/** @returns null: it is not an engine of ours */
export function engineOf(metadata: Metadata): OpeningRequest | null {
  const text = (key: string) => String(metadata.get(key)[0] ?? "");
  const engineId = text(ENGINE_ID);
  return engineId === "" ? null : { engineId, generation: Number(text(GENERATION)), opening: text(OPENING) };
}
