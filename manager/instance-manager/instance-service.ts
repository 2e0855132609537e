/** Longhorn's InstanceService: processes again, under the names of engines and replicas. */
import { status } from "@grpc/grpc-js";
import {
  DataEngine,
  InstanceService,
  InstanceServiceStreams,
  type InstanceResponse,
  type InstanceSpec as Spec,
} from "../../proto/instance-manager.js";
import type { StreamHandlers } from "../../proto/server-stream.js";
import { RpcError, type Handlers } from "../../proto/unary.js";
import { levelNamed, type LogLevel } from "../log-level.js";
import { engineVolumeOf } from "./instance-name.js";
import type { Instance } from "./instance.js";
import type { Instances } from "./instances.js";
import { sendLog } from "./log-lines.js";
import type { InstanceSpec } from "./records.js";
import { versionResponse } from "./versions.js";
import { sendChanges } from "./watching.js";

export function instanceHandlers(
  instances: Instances,
  version: string,
  log: LogLevel,
): Handlers<typeof InstanceService> {
  let flags = "";
  const v2Only = (call: string) => (request: { dataEngine: number }) =>
    Promise.resolve().then(() => {
      checkEngine(request.dataEngine);
      throw new RpcError(status.UNIMPLEMENTED, `${call} is not supported for the v1 data engine`);
    });
  return {
    instanceCreate: async ({ spec }) => instanceResponse(await instances.create(specOf(spec))),
    instanceDelete: async ({ name, uuid, dataEngine }) => {
      checkEngine(dataEngine);
      return instanceResponse(await instances.delete(name, uuid), true);
    },
    instanceGet: async ({ name, dataEngine }) => {
      checkEngine(dataEngine);
      return Promise.resolve(instanceResponse(instances.get(name)));
    },
    instanceList: () =>
      Promise.resolve({
        instances: Object.fromEntries(instances.list().map((one) => [one.name, instanceResponse(one)])),
      }),
    instanceReplace: async ({ spec, terminateSignal }) =>
      instanceResponse(await instances.replace(specOf(spec), terminateSignal)),
    instanceSuspend: v2Only("InstanceSuspend"),
    instanceResume: v2Only("InstanceResume"),
    instanceSwitchOverTarget: v2Only("InstanceSwitchOverTarget"),
    instanceDeleteTarget: v2Only("InstanceDeleteTarget"),
    logSetLevel: async ({ level, dataEngine }) => {
      checkEngine(dataEngine);
      const found = levelNamed(level);
      if (found === null) throw new RpcError(status.INVALID_ARGUMENT, `not a valid log level: ${level}`);
      log.level = found;
      return Promise.resolve({});
    },
    logGetLevel: async ({ dataEngine }) => {
      checkEngine(dataEngine);
      return Promise.resolve({ level: log.level });
    },
    logSetFlags: async (request) => {
      checkEngine(request.dataEngine);
      ({ flags } = request);
      return Promise.resolve({});
    },
    logGetFlags: async ({ dataEngine }) => {
      checkEngine(dataEngine);
      return Promise.resolve({ flags });
    },
    versionGet: () => Promise.resolve(versionResponse(version)),
  };
}

export function instanceStreams(instances: Instances): StreamHandlers<typeof InstanceServiceStreams> {
  return {
    instanceLog: async ({ name, dataEngine }, out) => {
      checkEngine(dataEngine);
      await sendLog(instances.get(name).logFile, out);
    },
    // Only that something has changed: its receiver lists.
    instanceWatch: (_request, out) => sendChanges(instances, out, () => ({})),
  };
}

/** @throws {RpcError} UNIMPLEMENTED */
export function checkEngine(dataEngine: number): void {
  if (dataEngine === DataEngine.DATA_ENGINE_V1) return;
  const name = dataEngine === DataEngine.DATA_ENGINE_V2 ? "the v2 data engine" : `data engine ${dataEngine}`;
  throw new RpcError(status.UNIMPLEMENTED, `${name} is not supported`);
}

function specOf(spec: Spec | null): InstanceSpec {
  if (spec === null) throw new RpcError(status.INVALID_ARGUMENT, "missing required argument: spec");
  checkEngine(spec.dataEngine);
  const { name, portCount, portArgs, processInstanceSpec } = spec;
  if (processInstanceSpec === null)
    throw new RpcError(status.INVALID_ARGUMENT, "ProcessInstanceSpec is required for v1 data engine");
  return { name, portCount, portArgs, ...processInstanceSpec };
}

export function instanceResponse(instance: Instance, deleted = false): InstanceResponse {
  const { spec, uuid, ports, status: is } = instance.record;
  const { name, portCount, portArgs, binary, args } = spec;
  const volumeName = engineVolumeOf(name);
  const [portStart, portEnd] = [ports?.first ?? 0, ports?.last ?? 0];
  const target = volumeName === null ? [0, 0] : [portStart, portEnd];
  return {
    spec: {
      ...{ backendStoreDriver: 0, dataEngine: DataEngine.DATA_ENGINE_V1, name },
      ...{ type: volumeName === null ? "replica" : "engine", volumeName: "", portCount, portArgs },
      ...{ processInstanceSpec: { binary, args }, spdkInstanceSpec: null },
      ...{ upgradeRequired: false, initiatorAddress: "", targetAddress: "" },
    },
    status: {
      ...{ state: is.state, errorMsg: is.errorMsg, uuid, portStart, portEnd },
      ...{ targetPortStart: target[0] ?? 0, targetPortEnd: target[1] ?? 0 },
      ...{ standbyTargetPortStart: 0, standbyTargetPortEnd: 0, ublkId: 0 },
      conditions: instance.conditions,
    },
    deleted,
  };
}
