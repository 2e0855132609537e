/** Replicas and an engine of Longhorn's command line. */
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../cli/free-ports.js";
import { ControllerService, ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { run as runProgram, Service } from "../child.js";
import { PROGRAM_MS_MAX } from "../limits.js";
import { waitFor } from "../setups/wait.js";

export const VOLUME = "bench";

/** As Longhorn's manager gives a replica. */
const REPLICA_PORTS = 10;

const longhorn = fileURLToPath(new URL("../../../bin/longhorn", import.meta.url));

export async function startReplica(directory: string, size: number, services: Service[]): Promise<string> {
  await mkdir(directory, { recursive: true });
  const [port] = await freePorts([], 1, REPLICA_PORTS);
  const address = `127.0.0.1:${port}`;
  const named = ["--volume-name", VOLUME, "replica", directory, "--size", String(size)];
  services.push(Service.start(longhorn, [...named, "--listen", address]));
  return address;
}

export async function closed(address: string, signal: AbortSignal): Promise<void> {
  const { calls, close } = unaryClient(ReplicaService, address);
  await waitFor("the replica", signal, async () => {
    const reply = await calls.replicaGet({}, { timeoutMs: 1000 }).catch(() => null);
    return reply?.replica?.state === "closed" ? true : undefined;
  });
  close();
}

export async function startController(
  replica: string,
  size: number,
  services: Service[],
  signal: AbortSignal,
  flags: readonly string[] = [],
): Promise<string> {
  const address = `127.0.0.1:${(await freePorts([], 1, 1)).join()}`;
  const sizes = ["--size", String(size), "--current-size", String(size)];
  const service = Service.start(longhorn, ["controller", VOLUME, "--listen", address, "--replica", `tcp://${replica}`, ...sizes, ...flags]); // prettier-ignore
  services.push(service);
  const { calls, close } = unaryClient(ControllerService, address);
  await waitFor("the engine", signal, async () => {
    service.assertRunning();
    const reply = await calls.replicaList({}, { timeoutMs: 1000 }).catch(() => null);
    return reply !== null && reply.replicas.length > 0 ? true : undefined;
  });
  close();
  return address;
}

/** Resolves when it is a copy. */
export async function addReplica(
  controller: string,
  replica: string,
  size: number,
  signal: AbortSignal,
): Promise<void> {
  const sizes = ["--size", String(size), "--current-size", String(size)];
  await program(longhorn, ["--url", controller, "add-replica", replica, ...sizes], signal);
}

export async function program(command: string, args: string[], signal: AbortSignal): Promise<void> {
  await runProgram(command, args, { timeoutMs: PROGRAM_MS_MAX, signal });
}
