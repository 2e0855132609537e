/** Who may ask: everybody who reaches the port, or those who know the token. */
import { createHash, timingSafeEqual } from "node:crypto";

/** @param header Authorization
 * @param token null: none is needed */
export function isAllowed(header: string | undefined, token: string | null): boolean {
  if (token === null) return true;
  const [, given] = /^bearer +(\S+)$/i.exec(header ?? "") ?? [];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

/** Of one length, whatever was given. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
