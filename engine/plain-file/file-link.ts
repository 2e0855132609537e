/** A plain file in the place of one of Longhorn's replicas, of which it knows as little; but its data stream is ours, with a flush that
 * is one. */
import type { ReplicaFacts } from "../../proto/control.js";
import type { ReplicaConnection } from "../client/connections.js";
import { parseHostPort } from "../host-port.js";
import { LonghornLink } from "../longhorn/longhorn-link.js";
import type { ReplicaLink } from "../replica-link.js";
import type { PlainFile } from "./plain-file.js";

export class FileLink extends LonghornLink {
  /** @param file the caller's, as long as this is used */
  constructor(
    private readonly file: PlainFile,
    volume: string,
  ) {
    super(file.peer, volume, false);
  }

  protected override get name(): string {
    return this.file.address;
  }

  override async identify(): Promise<ReplicaFacts> {
    return { ...(await super.identify()), dataPort: parseHostPort(this.address).port };
  }

  protected override connect(): Pick<ReplicaConnection, "call" | "close"> {
    return { call: (...args) => this.file.call(...args), close: () => undefined };
  }
}

/** Longhorn's own, over its own data protocol. */
export function speaksLonghorn(link: ReplicaLink): link is LonghornLink {
  return link instanceof LonghornLink && !(link instanceof FileLink);
}
