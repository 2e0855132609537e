/** Errors of the operating system in the words of C, which callers look for: `open volume-a.img: no such file or directory`. */
export function osError(doing: string, name: string, error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  // Node: "ENOENT: no such file or directory, open '/path'".
  const words = /^E[A-Z0-9]+: ([^,]+)/.exec(text)?.[1] ?? text;
  return new Error(`${doing} ${name}: ${words}`, { cause: error });
}

export function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === code;
}
