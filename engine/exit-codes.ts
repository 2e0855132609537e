/** How an engine process ends: the one table, for scripts, for --help and for `aurochs up`. */
export const EXIT = {
  OK: { code: 0, restart: false, meaning: "stopped in order" },
  FAILED: { code: 1, restart: true, meaning: "something that was not foreseen; the log says what" },
  USAGE: { code: 2, restart: false, meaning: "the command line is wrong" },
  MEMBERSHIP: {
    code: 3,
    restart: false,
    meaning: "the replicas cannot be used as they are; the log says what was seen",
  },
  FENCED: { code: 4, restart: false, meaning: "another engine has taken the replicas over" },
  LISTEN: { code: 5, restart: true, meaning: "a portal or the control address cannot be listened on" },
  UNCLEAN: {
    code: 6,
    restart: true,
    meaning: "not stopped in order; the next start compares what may differ",
  },
} as const;

export type ExitName = keyof typeof EXIT;

/** Of `longhorn controller` as in Longhorn: no replica can be used although all could be asked (ENODATA). */
export const EXIT_NO_DATA = 61;
