/** What an engine process is told when it is started. */
import type { HostPort } from "./host-port.js";
import type { ChapOptions } from "./target/chap.js";

export interface EngineOptions {
  volume: string;
  /** bytes */
  size: number;
  /** control addresses, `host:port` */
  replicas: string[];
  /** control address of the witness; null: there is none */
  witness: string | null;
  portals: HostPort[];
  /** where EngineControl is served; null: nowhere */
  control: HostPort | null;
  logicalBlockSize: 512 | 4096;
  chap: ChapOptions | null;
  /** initiator names that may log in; null: all */
  allowedInitiators: string[] | null;
  replicaTimeoutMs: number;
  /** ask the engine that serves the volume for it, so that its initiators hardly notice; else, and when it does not answer,
   * it is fenced */
  upgrade: boolean;
  /** id of the replica to start from without proof, or null */
  salvage: string | null;
  acceptLostWrites: boolean;
  /** file that names the machine's boot; null: the kernel's */
  bootIdFile: string | null;
  /** file to be written once the volume is served, or null */
  readyFile: string | null;
}
