/** Stands in for `native/index.ts`, for the product's modules in the simulated world. */
import { newDescriptor } from "./fs.js";
import { network } from "./network.js";
import { runningProcess, type Process } from "./simulation.js";
import { sockets } from "./data-server.js";

export { STATUS } from "../../native/index.js";
export { lockFile } from "./fs.js";
export { openStore } from "./store.js";
export { SimDataServer as DataServer } from "./data-server.js";
export { SimVolume as Volume } from "./volume.js";

/** Not part of the simulated world. */
const absent = (): never => {
  throw new Error("not simulated");
};
export { absent as crc32c, absent as fileExtents, absent as hashFile, absent as punchHole, absent as Target };

const PORT_FIRST = 20_000;
let lastPort = PORT_FIRST;

export function listenTcp(host: string, port: number): { fd: number; host: string; port: number } {
  const process = runningProcess() as Process;
  const bound = port === 0 ? ++lastPort : port;
  const listener = network().listen(process, bound, null);
  const fd = newDescriptor(null, () => network().unlisten(listener));
  sockets.set(fd, { listener, host });
  return { fd, host, port: bound };
}
