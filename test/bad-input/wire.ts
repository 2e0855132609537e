/** What strangers and broken initiators put on a wire. */
import { connect } from "node:net";
import { Initiator } from "../../engine/target/testing/initiator.js";

export interface Address {
  host: string;
  port: number;
}

/** A digest as PDUs carry it: least significant byte first (RFC 7143, iSCSI digests). */
export function digest(bytes: Buffer): Buffer {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78;
  }
  const encoded = Buffer.alloc(4);
  encoded.writeUInt32LE(~crc >>> 0);
  return encoded;
}

export function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(0) ^ 1, 0);
  return copy;
}

/** An open session. @throws when the login is refused */
export async function openSession(
  { host, port }: Address,
  keys: Readonly<Record<string, string>>,
): Promise<Initiator> {
  const initiator = await Initiator.connect({ host, port });
  const { status, keys: answered } = await initiator.login(keys);
  const refused = Object.keys(keys).find(
    (key) => key.endsWith("Digest") && !(key in answered && answered[key] === keys[key]),
  );
  if (status !== 0 || refused !== undefined)
    throw new Error(`login status ${status.toString(16)}, ${refused ?? "nothing"} refused`);
  return initiator;
}

/** Sends bytes and keeps the connection open. @returns what came until the other end closed it */
export async function sendUntilClosed({ host, port }: Address, bytes: Buffer | string): Promise<Buffer> {
  const parts: Buffer[] = [];
  const socket = connect(port, host, () => socket.write(bytes));
  socket.on("data", (part: Buffer) => parts.push(part));
  socket.on("error", () => undefined); // "close" follows
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(parts);
}

/** One byte at a time for as long as the other end bears it. */
export async function sendSlowly({ host, port }: Address, bytes: Buffer, pauseMs: number): Promise<void> {
  let sent = 0;
  const socket = connect(port, host);
  const timer = setInterval(() => {
    socket.write(bytes.subarray(sent, sent + 1));
    sent = Math.min(sent + 1, bytes.length);
  }, pauseMs);
  socket.on("error", () => undefined); // "close" follows
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(timer);
}
