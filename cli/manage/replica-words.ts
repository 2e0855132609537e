/** `aurochs replica` has directories after it, or one of these. */
export const REPLICA_WORDS: readonly string[] = ["list", "remove"];

/** A word that is none of those, where nothing says where to listen, is rather one that is misspelt than a directory.
 * @param given what follows `aurochs`
 * @returns whether replicas of the storage system are meant, rather than directories to be served */
export function isReplicaOfSystem(given: readonly string[]): boolean {
  const [first, second = "", ...rest] = given[0] === "help" ? given.slice(1) : given;
  const isServed = rest.some((word) => /^--(listen|help)\b|^-h$/.test(word));
  return first === "replica" && (REPLICA_WORDS.includes(second) || (/^[a-z]+$/.test(second) && !isServed));
}
