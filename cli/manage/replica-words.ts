/** `aurochs replica` has directories after it, or one of these. */
export const REPLICA_WORDS: readonly string[] = ["list", "remove"];

/** @param given what follows `aurochs`
 * @returns whether replicas of the storage system are meant, rather than directories to be served */
export function isReplicaOfSystem(given: readonly string[]): boolean {
  const [first, second = ""] = given[0] === "help" ? given.slice(1) : given;
  return first === "replica" && REPLICA_WORDS.includes(second);
}
