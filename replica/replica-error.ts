/** What may be wrong with a replica directory, as one list of codes. Every message names the file. */
export type ReplicaErrorCode =
  /** unreadable, contradicting or truncated metadata */
  | "DAMAGED"
  /** not a replica directory, or another volume's or another replica's */
  | "FOREIGN"
  /** a file (or the directory) that has to be there is not */
  | "MISSING"
  /** a size that does not fit the volume */
  | "SIZE_MISMATCH"
  /** another daemon has the directory open */
  | "LOCKED"
  | "READ_ONLY"
  | "NO_SPACE"
  /** a format or feature that we do not read */
  | "UNSUPPORTED"
  /** what was asked for is not possible as things are; nothing was changed */
  | "REFUSED"
  /** a change may or may not survive a power cut: only opening the directory anew tells */
  | "UNCERTAIN"
  | "IO_ERROR";

export class ReplicaError extends Error {
  override readonly name = "ReplicaError";
  constructor(
    readonly code: ReplicaErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const codeOfErrno: Record<string, ReplicaErrorCode> = {
  ENOENT: "MISSING",
  ENOSPC: "NO_SPACE",
  EDQUOT: "NO_SPACE",
  EROFS: "READ_ONLY",
  EACCES: "READ_ONLY",
  EPERM: "READ_ONLY",
  ENOTDIR: "FOREIGN",
  EISDIR: "FOREIGN",
};

/** What a failed system call on `path` means. Errors that are ReplicaErrors already are passed through. */
export function systemError(error: unknown, doing: string, path: string): ReplicaError {
  if (error instanceof ReplicaError) return error;
  const errno = (error as NodeJS.ErrnoException).code;
  const text = error instanceof Error ? error.message : String(error);
  return new ReplicaError(codeOfErrno[errno ?? ""] ?? "IO_ERROR", `cannot ${doing} ${path}: ${text}`, {
    cause: error,
  });
}
