/** The states of an instance, as Longhorn has them. Pure. */

// starting --ready--> running --stop--> stopping --ended--> stopped
//    |  ^---crashed------'  |              |
//    `---ended, failed------+--------------'--> stopped (exit code 0) or error; both stay until the instance is deleted
export interface Status {
  state: "starting" | "running" | "stopping" | "stopped" | "error";
  /** why "error", or why it is being started again; "" otherwise */
  errorMsg: string;
}

/** How a process ended; both are null when nobody knows. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export type StatusEvent =
  | { type: "ready" }
  | { type: "stop" }
  /** `said`: why, of one of our own programs; "" when nobody knows */
  | { type: "ended"; ending: Ending; said: string }
  /** it ended, and is being started again */
  | { type: "crashed"; reason: string }
  /** it could not be started, or cannot be found any more */
  | { type: "failed"; reason: string };

export const STARTING: Status = { state: "starting", errorMsg: "" };

/** The one place where an instance changes its state. What comes too late changes nothing. */
export function nextStatus(status: Status, event: StatusEvent): Status {
  const isOver = status.state === "stopped" || status.state === "error";
  if (isOver) return status;
  switch (event.type) {
    case "ready":
      return status.state === "starting" ? { state: "running", errorMsg: "" } : status;
    case "stop":
      return { state: "stopping", errorMsg: "" };
    case "crashed":
      return status.state === "stopping" ? status : { state: "starting", errorMsg: event.reason };
    case "failed":
      return { state: "error", errorMsg: event.reason };
    case "ended":
      return event.ending.code === 0 || (status.state === "stopping" && isUnknown(event.ending))
        ? { state: "stopped", errorMsg: "" }
        : { state: "error", errorMsg: endingText(event.ending, event.said) };
    default:
      event satisfies never;
      return status;
  }
}

function isUnknown({ code, signal }: Ending): boolean {
  return code === null && signal === null;
}

/** As Go's os/exec has them: Longhorn's manager looks for some. */
const SIGNAL_TEXTS: Partial<Record<NodeJS.Signals, string>> = {
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGTERM: "terminated",
};

/** @param said why; "": nobody knows */
export function endingText({ code, signal }: Ending, said = ""): string {
  if (signal !== null) return `signal: ${SIGNAL_TEXTS[signal] ?? signal}`;
  if (code === null) return "it ended, and how is not known";
  return said === "" ? `exit status ${code}` : `exit status ${code}: ${said}`;
}
