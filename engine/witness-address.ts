/** How a witness is named: its `HOST:PORT`, or those of its voters with commas between them. */
import { VOTERS_MAX } from "../proto/voting.js";
import { formatHostPort, parseHostPort } from "./host-port.js";

/** @throws {RangeError} saying what is wrong with `text` */
export function parseWitness(text: string): string {
  const addresses = text.split(",").map((address) => formatHostPort(parseHostPort(address)));
  // As many as can be halved never agree on more than as many less one do.
  if (addresses.length > VOTERS_MAX || addresses.length % 2 === 0)
    throw new RangeError(
      `"${text}" names ${addresses.length} voters: a witness is one process, or has 3 voters or 5`,
    );
  if (new Set(addresses).size < addresses.length) throw new RangeError(`"${text}" names a voter twice`);
  return addresses.join(",");
}

/** @param address as `parseWitness` gives it */
export function votersAt(address: string): string[] {
  return address.split(",");
}
