/** Longhorn's ProcessManagerService. */
import {
  ProcessManagerService,
  ProcessManagerServiceStreams,
  type ProcessResponse,
  type ProcessSpec,
} from "../../proto/instance-manager.js";
import type { StreamHandlers } from "../../proto/server-stream.js";
import { RpcError, type Handlers } from "../../proto/unary.js";
import { status } from "@grpc/grpc-js";
import type { Instance } from "./instance.js";
import type { Instances } from "./instances.js";
import { sendLog } from "./log-lines.js";
import type { InstanceSpec } from "./records.js";
import { versionResponse } from "./versions.js";
import { sendChanges } from "./watching.js";

export function processHandlers(
  instances: Instances,
  version: string,
): Handlers<typeof ProcessManagerService> {
  return {
    processCreate: async ({ spec }) => processResponse(await instances.create(required(spec))),
    processDelete: async ({ name, uuid }) => processResponse(await instances.delete(name, uuid), true),
    processGet: ({ name }) => Promise.resolve().then(() => processResponse(instances.get(name))),
    processList: () =>
      Promise.resolve({
        processes: Object.fromEntries(instances.list().map((one) => [one.name, processResponse(one)])),
      }),
    processReplace: async ({ spec, terminateSignal }) =>
      processResponse(await instances.replace(required(spec), terminateSignal)),
    versionGet: () => Promise.resolve(versionResponse(version)),
  };
}

export function processStreams(instances: Instances): StreamHandlers<typeof ProcessManagerServiceStreams> {
  return {
    processLog: ({ name }, out) => sendLog(instances.get(name).logFile, out),
    processWatch: (_request, out) =>
      sendChanges(instances, out, (instance, deleted) => processResponse(instance, deleted)),
  };
}

function required(spec: ProcessSpec | null): InstanceSpec {
  if (spec === null) throw new RpcError(status.INVALID_ARGUMENT, "missing required argument: spec");
  return spec;
}

export function processResponse(instance: Instance, deleted = false): ProcessResponse {
  const { spec, uuid, ports, status: is } = instance.record;
  return {
    spec,
    status: {
      ...{ state: is.state, errorMsg: is.errorMsg, uuid },
      ...{ portStart: ports?.first ?? 0, portEnd: ports?.last ?? 0 },
      conditions: instance.conditions,
    },
    deleted,
  };
}
