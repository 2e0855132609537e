/** How a witness is named: its `HOST:PORT`, or those of its voters with commas between them. */
import { VOTERS_MAX } from "../proto/ballot.js";
import { formatHostPort, parseHostPort } from "./host-port.js";

/** @throws {RangeError} saying what is wrong with `text` */
export function parseWitness(text: string): string {
  const addresses = text.split(",").map((address) => formatHostPort(parseHostPort(address)));
  // Fewer than it has may be named, while one of them is away: they know how many there are.
  if (addresses.length > VOTERS_MAX) throw new RangeError(`a witness has at most ${VOTERS_MAX} voters`);
  if (new Set(addresses).size < addresses.length) throw new RangeError(`"${text}" names a voter twice`);
  return addresses.join(",");
}

/** @param address as `parseWitness` gives it */
export function votersAt(address: string): string[] {
  return address.split(",");
}
