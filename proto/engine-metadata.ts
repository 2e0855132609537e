/** Which engine of ours makes a call of a replica's services, or of its sync agent's, in gRPC metadata: a replica of ours refuses what
 * another one than the one that it has recorded asks for, however late that comes. Longhorn's replicas ignore it. */
import { status, type Metadata } from "@grpc/grpc-js";
import type { OpeningRequest } from "./control.js";
import { RpcError } from "./rpc-error.js";

const ENGINE_ID = "aurochs-engine-id";
const GENERATION = "aurochs-generation";
const OPENING = "aurochs-opening";

export function nameEngine(metadata: Metadata, { engineId, generation, opening }: OpeningRequest): void {
  metadata.set(ENGINE_ID, engineId);
  metadata.set(GENERATION, String(generation));
  metadata.set(OPENING, opening);
}

/** @returns null: it is not an engine of ours
 * @throws {RpcError} INVALID_ARGUMENT: it says half of who it is */
export function engineOf(metadata: Metadata): OpeningRequest | null {
  const text = (key: string) => String(metadata.get(key)[0] ?? "");
  const [engineId, told, opening] = [text(ENGINE_ID), text(GENERATION), text(OPENING)];
  if (engineId === "" && told === "" && opening === "") return null;
  const generation = Number(told);
  if (engineId === "") throw bad(ENGINE_ID, engineId);
  if (!/^[0-9]+$/.test(told) || !Number.isSafeInteger(generation)) throw bad(GENERATION, told);
  return { engineId, generation, opening };
}

function bad(key: string, value: string): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, `metadata ${key}: ${JSON.stringify(value)} names no engine`);
}
