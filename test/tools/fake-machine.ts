/** A machine in memory: an initiator driven by iscsiadm, its disks, and files of /dev. */
import { MissingProgramError, type CommandResult, type Commands } from "../../engine/initiator/commands.js";

interface Session {
  target: string;
  portal: string;
  disk: string | null;
  /** sectors of the disk when it was looked at last */
  seen: number | null;
}

const DONE: CommandResult = { exitCode: 0, output: "" };

export class FakeMachine implements Commands {
  /** by id */
  readonly sessions = new Map<number, Session>();
  /** `TARGET PORTAL` */
  readonly records = new Set<string>();
  /** by path: `MAJOR:MINOR` of a device, or what else it is */
  readonly files = new Map<string, string>();
  readonly settings = new Map<string, string>();
  readonly log: string[] = [];
  /** answers instead of the machine, when it has one for a command line */
  fault: (command: string) => CommandResult | undefined = () => undefined;
  missing: string[] = [];
  /** sectors of a disk that appears, or is looked at; null: none does */
  sectors: number | null = 2048;
  /** looks at a disk that are of no effect from now on */
  looksInVain = 0;
  #next = 1;

  run(program: string, args: readonly string[]): Promise<CommandResult> {
    const line = [program, ...args].join(" ");
    this.log.push(line);
    if (this.missing.includes(program)) return Promise.reject(new MissingProgramError(program));
    return Promise.resolve(this.fault(line) ?? this.#run(program, args));
  }

  login(target: string, portal: string): number {
    const id = this.#next++;
    const disk = this.sectors === null ? null : this.#freeDisk();
    this.sessions.set(id, { target, portal, disk, seen: this.sectors });
    return id;
  }

  /** Like the kernel, the first one whose name and number nobody has any more. */
  #freeDisk(): string {
    const used = new Set([...this.sessions.values()].map(({ disk }) => disk));
    let number = 1;
    while (used.has(`sd${number}`)) number++;
    return `sd${number}`;
  }

  /** What iscsiadm prints of all sessions. */
  get report(): string {
    return [...this.sessions]
      .map(([id, { target, portal, disk }]) =>
        [
          `Target: ${target} (non-flash)`,
          `\tCurrent Portal: ${portal},1`,
          `\tPersistent Portal: ${portal},1`,
          `\t\tSID: ${id}`,
          `\t\tscsi${id} Channel 00 Id 0 Lun: 1`,
          disk === null ? "" : `\t\t\tAttached scsi disk ${disk}\t\tState: running`,
        ].join("\n"),
      )
      .join("\n");
  }

  #run(program: string, args: readonly string[]): CommandResult {
    const last = args.at(-1) ?? "";
    switch (program) {
      case "iscsiadm":
        return this.#iscsiadm(args);
      case "cat":
        return this.#cat(last);
      case "sh":
        this.settings.set(last, args.at(-2) ?? "");
        if (last.endsWith("/device/rescan")) this.#look(last);
        return DONE;
      case "stat": {
        const file = this.files.get(last);
        if (file === undefined) return { exitCode: 1, output: "No such file or directory" };
        if (!file.includes(":")) return { exitCode: 0, output: `${file}|0:0` };
        return { exitCode: 0, output: `block special file|${file}` };
      }
      case "mknod":
        if (this.files.has(args[2] ?? "")) return { exitCode: 1, output: "File exists" };
        this.files.set(args[2] ?? "", `${args[4]}:${args[5]}`);
        return DONE;
      case "rm":
        if (this.files.get(last) === "directory")
          return { exitCode: 1, output: `rm: ${last}: Is a directory` };
        this.files.delete(last);
        return DONE;
      case "mkdir":
      case "chown":
        return DONE;
      default:
        throw new Error(`the fake machine has no ${program}`);
    }
  }

  #look(path: string): void {
    if (this.looksInVain-- > 0) return;
    const session = this.#sessionOf(path);
    if (session !== undefined) session.seen = this.sectors;
  }

  /** @param path of a file of its disk in sysfs */
  #sessionOf(path: string): Session | undefined {
    return [...this.sessions.values()].find(({ disk }) => path.startsWith(`/sys/class/block/${disk}/`));
  }

  #cat(path: string): CommandResult {
    const [, disk = "", what = ""] = /^\/sys\/class\/block\/(\w+)\/(\w+)$/.exec(path) ?? [];
    const number = Number(disk.slice(2));
    if (what === "dev") return { exitCode: 0, output: `8:${number}` };
    if (what === "size") return { exitCode: 0, output: String(this.#sessionOf(path)?.seen ?? null) };
    return { exitCode: 1, output: "No such file or directory" };
  }

  #iscsiadm(args: readonly string[]): CommandResult {
    const value = (name: string) => args[args.indexOf(name) + 1] ?? "";
    const none = { exitCode: 21, output: "iscsiadm: No records found" };
    if (args[1] === "session" && args.includes("-P"))
      return this.sessions.size === 0 ? none : { exitCode: 0, output: this.report };
    if (args[1] === "session" && args.includes("--logout"))
      return this.sessions.delete(Number(value("-r"))) ? DONE : none;
    const target = value("-T");
    const portal = args.includes("-p") ? value("-p") : null;
    if (args.includes("--login")) {
      this.login(target, portal ?? "");
      return DONE;
    }
    const operation = value("-o");
    const fitting = [...this.records].filter((record) =>
      portal === null ? record.startsWith(`${target} `) : record === `${target} ${portal}`,
    );
    if (operation === "new") this.records.add(`${target} ${portal}`);
    else if (fitting.length === 0) return none;
    else if (operation === "delete") for (const record of fitting) this.records.delete(record);
    else this.settings.set(value("-n"), value("-v"));
    return DONE;
  }
}
