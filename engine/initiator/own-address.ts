/** Where an initiator of this machine finds us. */
import { networkInterfaces, type NetworkInterfaceInfo } from "node:os";

/** The interface that is preferred, as in Longhorn. */
const PREFERRED = "eth1";

/** @param sharesNetwork whether it has our network namespace: then nobody else has to find us
 * @throws {Error} there is no address */
export function ownAddress(
  sharesNetwork: boolean,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string {
  if (sharesNetwork) return "127.0.0.1";
  const names = Object.keys(interfaces).sort((a, b) => Number(b === PREFERRED) - Number(a === PREFERRED));
  const global = names
    .flatMap((name) => interfaces[name] ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0);
  const found = global.find(({ family }) => family === "IPv4") ?? global[0];
  if (found === undefined) throw new Error("this machine has no address that its initiator could log in at");
  return found.address;
}
