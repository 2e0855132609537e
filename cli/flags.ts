/** Checks of what is given on the command line. Each parser throws InvalidArgumentError, which commander turns into one
 * line that names the flag. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { formatHostPort, parseHostPort, type HostPort } from "../engine/host-port.js";
import { parseWitness } from "../engine/witness-address.js";

/** Longhorn's rule: plain bytes, or a number with k, m, g, t or p, then optionally `i` and `b`; base 1024. */
const SIZE = /^(\d+(?:\.\d+)?)(?:([kmgtp])i?)?b?$/i;
const POWER_OF_SUFFIX: Record<string, number> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Volumes are whole 4 KiB blocks: the replica's granularity. */
const SIZE_MULTIPLE = 4096;

/** Longhorn's rule. */
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const VOLUME_NAME_CHARS_MAX = 64;

/** Kubernetes' rule for names of objects; a label has room for 63. */
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;

const REPLICA_ID = /^[\w.-]{1,64}$/;
const ISCSI_NAME = /^(iqn|eui|naa)\.[a-z0-9.:-]{1,219}$/;

/** @returns bytes */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  if (match === null) throw new InvalidArgumentError("not a size; examples: 1073741824, 512MiB, 2g, 1.5TiB");
  const bytes = Number(match[1]) * 1024 ** (POWER_OF_SUFFIX[(match[2] ?? "").toLowerCase()] ?? 0);
  if (!Number.isSafeInteger(bytes))
    throw new InvalidArgumentError("not a whole number of bytes, or too large");
  if (bytes < SIZE_MULTIPLE || bytes % SIZE_MULTIPLE !== 0) {
    throw new InvalidArgumentError(`not a positive multiple of ${SIZE_MULTIPLE} bytes`);
  }
  return bytes;
}

export function parseVolumeName(text: string): string {
  if (!VOLUME_NAME.test(text) || text.length > VOLUME_NAME_CHARS_MAX) {
    throw new InvalidArgumentError(
      `a volume name has 2 to ${VOLUME_NAME_CHARS_MAX} of the characters a-z A-Z 0-9 _ . - and begins with a letter or digit`,
    );
  }
  return text;
}

export function parseNodeName(text: string): string {
  if (!NODE_NAME.test(text))
    throw new InvalidArgumentError(
      "a node's name has 1 to 63 of the characters a-z 0-9 - and . and begins and ends with a letter or digit",
    );
  return text;
}

/** @returns the name of the node that a machine is */
export function nodeNameOf(hostname: string): string {
  const name = hostname.toLowerCase();
  if (NODE_NAME.test(name)) return name;
  throw new InvalidArgumentError(
    `the host name "${hostname}" can be no node's name (1 to 63 of the characters a-z 0-9 - and .): give it another one with --node-name`,
  );
}

export function parseReplicaId(text: string): string {
  if (!REPLICA_ID.test(text))
    throw new InvalidArgumentError("a replica id has 1 to 64 of the characters a-z A-Z 0-9 _ . -");
  return text;
}

export function parseAddress(text: string): HostPort {
  try {
    return parseHostPort(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** An address that others connect to, now and after a restart. */
export function parseFixedAddress(text: string): HostPort {
  const address = parseAddress(text);
  if (address.port === 0) throw new InvalidArgumentError("port 0 is no port to connect to");
  return address;
}

/** An address that is connected to, as text. */
export function parsePeer(text: string): string {
  return formatHostPort(parseFixedAddress(text));
}

/** A witness, or its voters with commas between them. */
export function parseWitnessPeers(text: string): string {
  try {
    return parseWitness(text.split(",").map(parsePeer).join(","));
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

export function parseInitiator(text: string): string {
  if (!ISCSI_NAME.test(text))
    throw new InvalidArgumentError("not an iSCSI name (iqn., eui. or naa., lower case)");
  return text;
}

export function parsePath(text: string): string {
  if (text === "" || text.includes("\0")) throw new InvalidArgumentError("not a path");
  return resolve(text);
}

/** @returns milliseconds, from seconds */
export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(seconds >= 0.1 && seconds <= 3_600))
    throw new InvalidArgumentError("not a number of seconds from 0.1 to 3600");
  return Math.round(seconds * 1_000);
}

export function parseCount(max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
    if (count < 1 || count > max) throw new InvalidArgumentError(`not a number from 1 to ${max}`);
    return count;
  };
}

/** @returns what the file holds without the line's end. Secrets are not taken from the command line: others can read it. */
export function parseSecretFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "" || /[\r\n]/.test(secret))
    throw new InvalidArgumentError(`${path} does not hold one line`);
  return secret;
}

/** For flags that may be given several times. */
export function collect<T>(parse: (text: string) => T): (text: string, earlier: T[] | undefined) => T[] {
  return (text, earlier) => [...(earlier ?? []), parse(text)];
}
