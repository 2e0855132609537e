import { status } from "@grpc/grpc-js";
import t from "tap";
import { RpcError } from "../../proto/rpc-error.js";
import { operationError } from "./engine-caller.js";

t.test("what an engine says without a code is known by its words", async (t) => {
  for (const [code, message, expected] of [
    [status.UNKNOWN, "failed to create snapshot one for volume 10.0.0.1:10000: failed to snapshot replica 10.0.0.2:10000 from remote: snapshot volume-snap-one.img is already existing", "REFUSED"], // prettier-ignore
    [status.UNKNOWN, "failed to revert to snapshot one: cannot do revert since the target snapshot one is not found", "MISSING"], // prettier-ignore
    [status.UNKNOWN, "failed to snapshot replica 10.0.0.2:10000 from remote: input/output error", "FAILED"],
    [status.UNAVAILABLE, "connection refused", "UNREACHABLE"],
    [status.ALREADY_EXISTS, "process vol-e-0 already exists", "REFUSED"],
  ] as const)
    t.match(operationError(new RpcError(code, message)), { code: expected, message }, message);
  t.equal(operationError(new Error("snapshot one is gone")).code, "FAILED");
});
