/** How commands that speak to the manager end: the one table, for scripts and for --help. */
export const MANAGE_EXIT = {
  OK: { code: 0, meaning: "done, or under way where nothing was waited for" },
  FAILED: { code: 1, meaning: "the manager refuses, or something that was not foreseen" },
  USAGE: { code: 2, meaning: "the command line is wrong, or --yes is missing" },
  UNREACHABLE: { code: 3, meaning: "the manager does not answer; a change may have been made" },
  NOT_FOUND: { code: 4, meaning: "what is named is not there" },
  IN_VAIN: { code: 5, meaning: "what --wait waits for will not come about by itself" },
  TIMEOUT: { code: 6, meaning: "it has not come about within --timeout; it may still" },
  DECLINED: { code: 7, meaning: "the question was not answered with yes: nothing was done" },
} as const;

export type ManageExit = keyof typeof MANAGE_EXIT;

/** Ends the command with this code; the message is for people. */
export class ManageError extends Error {
  override readonly name = "ManageError";
  constructor(
    readonly exit: Exclude<ManageExit, "OK">,
    message: string,
  ) {
    super(message);
  }
}
