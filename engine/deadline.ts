/** A promise that is not waited for any longer than that. */

/** @throws {Error} after `timeoutMs`; what `work` comes to then is nobody's business any more */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs);
  });
  work.catch(() => undefined); // an error that comes too late
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}
