/** Connects one slot of the Volume to a replica's data port. */
import type { ReplicaFacts } from "../proto/control.js";
import type { HelloReply, Volume } from "../native/index.js";
import { parseHostPort, type HostPort } from "./host-port.js";
import { CONNECT_TIMEOUT_MS } from "./limits.js";
import type { LonghornLink } from "./longhorn/longhorn-link.js";

export interface ConnectTarget {
  slot: number;
  /** `host:port` of the control port; data is served on the same host, or at a unix socket of this machine */
  address: string;
  facts: ReplicaFacts;
  engineId: string;
  /** that the replica has recorded */
  generation: number;
}

/** @throws {Error} the replica refused, could not be reached, or did not answer in time */
export async function connectSlot(volume: Volume, target: ConnectTarget): Promise<void> {
  const { facts, engineId, generation } = target;
  const { host, port } = dataAddress(target.address, facts);
  const hello = { volume: facts.volume, replicaId: facts.replicaId, engineId, generation };
  const connected = volume.connect(target.slot, host, port, hello);
  const { size } = await inTime(connected, "HELLO");
  if (size !== facts.size) throw new Error(`the replica serves ${size} bytes, but said ${facts.size}`);
}

/** The same for one of Longhorn's.
 * @throws {Error} */
export async function connectLonghorn(
  volume: Volume,
  slot: number,
  link: LonghornLink,
  facts: ReplicaFacts,
): Promise<void> {
  const { host, port } = dataAddress(link.address, facts);
  const unmapZeroes = await link.isFlat();
  await inTime(volume.connectLonghorn(slot, host, port, unmapZeroes), "a ping");
}

/** As `Volume.connect` takes it. @param address of the control port */
function dataAddress(address: string, { dataPort, dataSocket }: ReplicaFacts): HostPort {
  return dataSocket === ""
    ? { host: parseHostPort(address).host, port: dataPort }
    : { host: dataSocket, port: 0 };
}

async function inTime(connected: Promise<HelloReply>, asked: string): Promise<HelloReply> {
  const timeout = new AbortController();
  const expired = new Promise<never>((_, reject) => {
    const expire = () => reject(new Error(`no answer to ${asked} within ${CONNECT_TIMEOUT_MS} ms`));
    const timer = setTimeout(expire, CONNECT_TIMEOUT_MS);
    timeout.signal.addEventListener("abort", () => clearTimeout(timer));
  });
  try {
    return await Promise.race([connected, expired]);
  } finally {
    timeout.abort();
  }
}
