/** What `longhorn controller` is told. */
import type { HostPort } from "../host-port.js";

export interface ControllerOptions {
  volume: string;
  /** "" when it is not known */
  instanceName: string;
  listen: HostPort;
  /** bytes, nominal */
  size: number;
  /** bytes; 0: what the replicas agree on */
  currentSize: number;
  /** started with the first replicas; "" for none */
  frontend: string;
  /** URLs; with none the engine waits for VolumeStart */
  replicas: string[];
  /** plain files, `file:///path`, are taken for replicas as well */
  takesFiles: boolean;
  /** path of the unix socket where the volume's one replica serves its data; null: replicas serve them at ports. Those of ours say
   * themselves where they are */
  dataSocket: string | null;
  /** control address of the witness at first, an extension of ours; null: there is none */
  witness: string | null;
  /** to take an existing frontend over */
  upgrade: boolean;
  /** what replicas record of this engine; null: one is made up */
  engineId: string | null;
  /** ids of engines that have crashed, in whose place this one comes: it takes replicas that are open over from them, and
   * from nobody else, and their initiators go on. Empty: it starts anew */
  resumeFrom: string[];
  disableRevisionCounter: boolean;
  salvageRequested: boolean;
  /** it was served before: replicas of which none was ever used do not stand for it, as when their directories are gone */
  hasData: boolean;
  /** also for a snapshot or a revert, during which I/O waits: one hung replica must not stop the others */
  replicaTimeoutMs: number;
  unmapMarkSnapChainRemoved: boolean;
  snapshotMaxCount: number;
  /** bytes; 0: no limit */
  snapshotMaxSize: number;
  /** where the target of an iSCSI frontend listens; empty: where that frontend wants to */
  portals: HostPort[];
  /** where sockets and lock files of frontends are */
  runDirectory: string;
  /** file that names the machine's boot; null: the kernel's */
  bootIdFile: string | null;
}
