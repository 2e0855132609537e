/** Times in replies. */

/** @param time RFC 3339
 * @returns "2006-01-02 15:04:05 +0000 UTC", which clients take apart; "" for "" */
export function goTime(time: string): string {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return "";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
}
