/** Block devices that stand on others, as the kernel shows them. */
import { readdir, readFile } from "node:fs/promises";
import { numberOf } from "./device.js";

/** What the device mapper has under a name. */
export interface Mapping {
  /** says in its first word whose it is: "CRYPT-LUKS2-..." */
  uuid: string;
  /** devices that it stands on, `MAJOR:MINOR`; none: they are gone */
  slaves: readonly string[];
}

export interface Devices {
  /** @returns `MAJOR:MINOR`, null when there is no block device at that path */
  numberOf(path: string): Promise<string | null>;
  /** @param path below /dev/mapper
   * @returns null: there is none */
  mappingAt(path: string): Promise<Mapping | null>;
}

export const kernelDevices: Devices = {
  numberOf,
  async mappingAt(path) {
    const number = await numberOf(path);
    if (number === null) return null;
    const at = `/sys/dev/block/${number}`;
    const uuid = await readFile(`${at}/dm/uuid`, "latin1").catch(() => "");
    const names = await readdir(`${at}/slaves`).catch(() => []);
    // The link to one that is gone may still be there.
    const slaves = await Promise.all(
      names.map((name) => readFile(`${at}/slaves/${name}/dev`, "latin1").catch(() => "")),
    );
    return { uuid, slaves: slaves.map((text) => text.trim()).filter((text) => text !== "") };
  },
};
