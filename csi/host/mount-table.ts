/** What is mounted where, from `/proc/self/mountinfo`. Pure. See proc_pid_mountinfo(5). */

export interface Mount {
  path: string;
  /** of what is mounted, within its file system */
  root: string;
  /** of the file system, `MAJOR:MINOR` */
  device: string;
  /** of this mount: "ro", "nodev" ... */
  options: readonly string[];
  fileSystem: string;
  /** of the file system, wherever it is mounted */
  superOptions: readonly string[];
}

/** @returns in the order in which they were made: the last on a path is the one that is seen */
export function parseMountTable(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const end = fields.indexOf("-", 6);
    if (end < 0) return [];
    const [, , device = "", root = "", path = "", options = ""] = fields;
    const [fileSystem = "", , superOptions = ""] = fields.slice(end + 1);
    return [
      {
        path: unescaped(path),
        root: unescaped(root),
        device,
        options: options.split(","),
        fileSystem,
        superOptions: superOptions.split(","),
      },
    ];
  });
}

/** Space, tab, newline and backslash are written as a backslash and three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))); // prettier-ignore
}
