/** Longhorn's Profiler service: opens and closes the debugger's port of this process, on the loopback interface. */
import inspector from "node:inspector";
import type { Profiler } from "./longhorn.js";
import { Op } from "./longhorn.js";
import type { Handlers } from "./unary.js";

/** Without a port of its own the profiler is this far above the gRPC port. */
const PORT_OFFSET = 20_001;

/** Lower ports belong to others, as in Longhorn. */
const PORT_MIN = 30_000;
const PORT_MAX = 65_535;

/** @param grpcPort of the server that these handlers are added to */
export function profilerHandlers(grpcPort: number): Handlers<typeof Profiler> {
  return {
    profilerOP: ({ requestOp, portNumber }) =>
      Promise.resolve().then(() => {
        if (requestOp === Op.DISABLE) inspector.close();
        if (requestOp === Op.ENABLE && inspector.url() === undefined)
          inspector.open(profilerPort(grpcPort, portNumber), "127.0.0.1");
        const url = inspector.url();
        return { profilerAddr: url === undefined ? "" : new URL(url).host };
      }),
  };
}

function profilerPort(grpcPort: number, wanted: number): number {
  const port = wanted === 0 ? grpcPort + PORT_OFFSET : wanted;
  if (port >= PORT_MIN && port <= PORT_MAX) return port;
  if (wanted === 0) throw new Error(`port ${port} is no port: name one`);
  throw new Error(`invalid port ${port}: it has to be from ${PORT_MIN} to ${PORT_MAX}`);
}
