/** The file by which a volume's device is found, in every place where it is looked for. */
import type { Commands } from "./commands.js";

/** The group that disks belong to. */
const DISK_GROUP = 6;

export class DeviceNode {
  /** @param places mount namespaces, by what runs there; those that share /dev find it made */
  constructor(
    readonly path: string,
    private readonly places: readonly Commands[],
  ) {}

  /** Makes it the device's, whatever is there; left alone where it is that already.
   * @param device `MAJOR:MINOR`
   * @throws {Error} */
  async make(device: string): Promise<void> {
    const [major = "", minor = ""] = device.split(":");
    const folder = this.path.slice(0, this.path.lastIndexOf("/"));
    for (const place of this.places) {
      if (await this.#isDevice(place, device)) continue;
      await this.#run(place, "mkdir", ["-p", folder]);
      await this.#run(place, "rm", ["-f", this.path]);
      await this.#run(place, "mknod", ["-m", "0660", this.path, "b", major, minor]);
      await this.#run(place, "chown", [`0:${DISK_GROUP}`, this.path]);
    }
  }

  /** @param device of which it has to be, `MAJOR:MINOR`; absent: whatever is there
   * @throws {Error} e.g. it is a folder */
  async remove(device?: string): Promise<void> {
    for (const place of this.places) {
      if (device === undefined || (await this.#isDevice(place, device)))
        await this.#run(place, "rm", ["-f", this.path]);
    }
  }

  async #isDevice(place: Commands, device: string): Promise<boolean> {
    const { exitCode, output } = await place.run("stat", ["-c", "%F|%t:%T", this.path]);
    const hexadecimal = device.split(":").map((number) => Number(number).toString(16));
    return exitCode === 0 && output === `block special file|${hexadecimal.join(":")}`;
  }

  async #run(place: Commands, program: string, args: string[]): Promise<void> {
    const { exitCode, output } = await place.run(program, args);
    if (exitCode !== 0) throw new Error(`device node ${this.path} cannot be changed: ${output}`);
  }
}
