/** Mounts as `/proc/PID/mountinfo` lists them (proc_pid_mountinfo(5)). Pure. */

const FIELDS = { device: 2, root: 3, mountPoint: 4 } as const;

/** @param rdev of a block device, as stat gives it
 * @returns where the root of the file system on it is mounted, or null */
export function mountOf(mountinfo: string, rdev: number): string | null {
  const device = `${major(rdev)}:${minor(rdev)}`;
  for (const line of mountinfo.split("\n")) {
    const fields = line.split(" ");
    if (fields[FIELDS.device] !== device || fields[FIELDS.root] !== "/") continue;
    const mountPoint = fields[FIELDS.mountPoint];
    if (mountPoint !== undefined) return unescaped(mountPoint);
  }
  return null;
}

// As glibc's gnu_dev_major and gnu_dev_minor take them apart: more than 32 bits.
function major(rdev: number): number {
  const device = BigInt(rdev);
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
}

function minor(rdev: number): number {
  const device = BigInt(rdev);
  return Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
}

/** Space, tab, newline and backslash are written as a backslash and three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
