/** gRPC health checking: a server that answers is well, whatever it is asked about (as Longhorn's are). */
import type { Server, ServerUnaryCall, sendUnaryData, ServerWritableStream } from "@grpc/grpc-js";
import { codec, type Empty } from "./codec.js";
import { grpc } from "./generated/health.js";
import { unaryMethod } from "./unary.js";

const generated = grpc.health.v1;

interface HealthCheckRequest {
  service: string;
}

interface HealthCheckResponse {
  /** a number of `SERVING_STATUS` */
  status: number;
}

interface HealthListResponse {
  statuses: Record<string, HealthCheckResponse>;
}

export const SERVING_STATUS = generated.HealthCheckResponse.ServingStatus;

const request = codec<HealthCheckRequest>(generated.HealthCheckRequest);
const response = codec<HealthCheckResponse>(generated.HealthCheckResponse);

/** The unary calls; what clients use. */
export const Health = {
  check: unaryMethod("/grpc.health.v1.Health/Check", request, response),
  list: unaryMethod(
    "/grpc.health.v1.Health/List",
    codec<Empty>(generated.HealthListRequest),
    codec<HealthListResponse>(generated.HealthListResponse),
  ),
};

const SERVING: HealthCheckResponse = { status: SERVING_STATUS.SERVING };

export function addHealth(server: Server): void {
  const watch = { ...Health.check, path: "/grpc.health.v1.Health/Watch", responseStream: true };
  server.addService(
    { ...Health, watch },
    {
      check: (_call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
        callback(null, SERVING),
      list: (_call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
        callback(null, { statuses: { "": SERVING } }),
      // It stays as it is until the process or the caller ends.
      watch: (call: ServerWritableStream<unknown, unknown>) => {
        call.on("cancelled", () => call.end());
        call.write(SERVING);
      },
    },
  );
}
