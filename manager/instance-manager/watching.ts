/** Changes of instances as a stream. One that is too far behind is ended: its receiver lists anew. */
import { status } from "@grpc/grpc-js";
import { RpcError } from "../../proto/rpc-error.js";
import { untilGone, type Outgoing } from "../../proto/server-stream.js";
import type { Instance } from "./instance.js";
import type { Instances } from "./instances.js";
import { WATCH_BACKLOG_MAX } from "./limits.js";

/** Resolves when the receiver has gone.
 * @throws {RpcError} RESOURCE_EXHAUSTED when it is too far behind */
export async function sendChanges<T>(
  instances: Instances,
  { send, signal }: Outgoing<T>,
  toMessage: (instance: Instance, deleted: boolean) => Partial<T>,
): Promise<void> {
  let behind = 0;
  const tooSlow = new AbortController();
  const end = instances.watch((instance, deleted) => {
    behind = send(toMessage(instance, deleted)) ? 0 : behind + 1;
    if (behind > WATCH_BACKLOG_MAX) tooSlow.abort();
  });
  await untilGone(AbortSignal.any([signal, tooSlow.signal]));
  end();
  if (tooSlow.signal.aborted) throw new RpcError(status.RESOURCE_EXHAUSTED, "the watcher is too far behind");
}
