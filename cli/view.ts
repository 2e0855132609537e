/** The live view of `aurochs up`: how to attach, then what the volume does, redrawn in place on a terminal. */
import type { WriteStream } from "node:tty";
import type { EngineStatus } from "../proto/control.js";
import { statusText } from "./status-text.js";

const CURSOR_UP = (lines: number): string => `\x1b[${lines}A`;
const CLEAR_BELOW = "\x1b[0J";

type Output = Pick<WriteStream, "write"> & { isTTY?: boolean };

export class View {
  #before: EngineStatus | null = null;
  #introduced = false;
  #linesDrawn = 0;

  constructor(private readonly output: Output) {}

  /** @param intervalMs since the last call */
  show(status: EngineStatus, intervalMs: number): void {
    if (!this.#introduced) this.#introduce(status);
    this.#redraw(statusText(status, this.#before, intervalMs));
    this.#before = status;
  }

  /** A line that stays. */
  note(text: string): void {
    this.#redraw(`${text}\n`);
    this.#linesDrawn = 0;
  }

  close(): void {
    this.note("stopping");
  }

  #introduce({ portals, target, lun }: EngineStatus): void {
    const [portal = ""] = portals;
    this.#introduced = true;
    this.output.write(
      [
        "",
        `The volume is served at  iscsi://${portal}/${target}/${lun}`,
        "",
        "  Attach it as a disk (open-iscsi, as root):",
        `    iscsiadm -m discovery -t sendtargets -p ${portal}`,
        `    iscsiadm -m node -T ${target} -p ${portal} --login`,
        `    iscsiadm -m node -T ${target} -p ${portal} --logout      (before you stop this)`,
        "  Or look at it without attaching (libiscsi-bin):",
        `    iscsi-inq iscsi://${portal}/${target}/${lun}`,
        "",
        "  Ctrl-C stops it; the data stay.",
        "",
        "",
      ].join("\n"),
    );
  }

  #redraw(text: string): void {
    const back =
      this.output.isTTY === true && this.#linesDrawn > 0 ? CURSOR_UP(this.#linesDrawn) + CLEAR_BELOW : "";
    this.output.write(back + text);
    this.#linesDrawn = text.split("\n").length - 1;
  }
}
