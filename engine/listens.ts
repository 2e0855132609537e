/** Whether anybody listens at an address. Costs so little that a process which is down can be asked for often. */
import { connect } from "node:net";
import { parseHostPort } from "./host-port.js";

/** @param address `host:port`
 * @param timeoutMs after which nobody does */
export function listens(address: string, timeoutMs: number): Promise<boolean> {
  const { host, port } = parseHostPort(address);
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal: AbortSignal.timeout(timeoutMs) });
    const end = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.once("connect", () => end(true)).on("error", () => end(false));
  });
}
