/** EngineMembers on a controller: what Longhorn's ControllerService has no call for. */
import { status } from "@grpc/grpc-js";
import type { EngineMembers } from "../../proto/engine-watch.js";
import { RpcError } from "../../proto/rpc-error.js";
import type { Handlers } from "../../proto/unary.js";
import { parseWitness } from "../witness-address.js";
import type { Controller } from "./controller.js";

export function membersHandlers(controller: Controller): Handlers<typeof EngineMembers> {
  return {
    witnessSet: async ({ address }) => {
      await controller.setWitness(address === "" ? null : witnessAt(address));
      return {};
    },
  };
}

/** @throws {RpcError} INVALID_ARGUMENT */
function witnessAt(address: string): string {
  try {
    return parseWitness(address);
  } catch (error) {
    throw new RpcError(status.INVALID_ARGUMENT, `witness: ${(error as Error).message}`, { cause: error });
  }
}
