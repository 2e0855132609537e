/** How a volume is offered to initiators: Longhorn's frontends by name. */
import type { Logger } from "pino";
import type { AttachedVolume } from "../attached-volume.js";
import type { HostPort } from "../host-port.js";
import { BlockDeviceFrontend } from "./block-device-frontend.js";
import { IscsiFrontend } from "./iscsi-frontend.js";
import { RestFrontend } from "./rest-frontend.js";
import { SocketFrontend } from "./socket-frontend.js";

export interface FrontendOptions {
  volume: string;
  /** where the target of an iSCSI frontend listens; empty: where that frontend wants to */
  portals: HostPort[];
  /** where sockets and lock files are */
  runDirectory: string;
  log: Logger;
}

export interface Frontend {
  readonly name: string;
  /** What `info` shows while it is up. */
  readonly endpoint: string;
  /** @param size bytes
   * @param succeeds the frontend in whose place this one comes, and what `suspend` gave there; null: there is none
   * @throws {Error} and then it is down */
  start(attached: AttachedVolume, size: number, succeeds: Succession | null): Promise<void>;
  /** The volume has become larger: initiators are told, and go on. Null: it has one size while it is up.
   * @param size bytes */
  readonly grow: ((size: number) => Promise<void>) | null;
  /** Lets initiators finish. Idempotent. */
  stop(): Promise<void>;
  /** As IscsiTarget has them: from `suspend` on nobody is answered, then it resumes, or leaves and is closed.
   * @throws {Error} another frontend cannot take its place */
  suspend(): Promise<Buffer | null>;
  resume(): void;
  leave(): Promise<void>;
  close(): Promise<void>;
  /** The volume is another engine's: nobody is answered any more, and what this machine has of it goes. Null: all of that goes with the
   * process. */
  readonly abandon: (() => Promise<void>) | null;
}

export interface Succession {
  unitState: Buffer | null;
  /** the engine before has crashed: nobody has changed the volume since, and its initiators go on */
  crashed: boolean;
}

type Factory = (options: FrontendOptions) => Frontend;

const FRONTENDS = new Map<string, Factory>([
  ["tgt-blockdev", (options) => new BlockDeviceFrontend(options)],
  ["tgt-iscsi", (options) => new IscsiFrontend(options)],
  ["socket", (options) => new SocketFrontend(options)],
  ["rest", (options) => new RestFrontend(options)],
]);

/** @throws {Error} for a name that is not known */
export function newFrontend(name: string, options: FrontendOptions): Frontend {
  const factory = FRONTENDS.get(name);
  if (factory === undefined)
    throw new Error(`failed to find frontend: ${name}: unsupported frontend type: ${name}`);
  return factory(options);
}
