/** Deliberate bugs in what is done about disks that rot. */
import { Hashing } from "../../replica/sync/hashing.js";
import { ReceivedFile } from "../../replica/sync/received-file.js";
import { replacing, type Bug } from "./bug.js";
import { inodeOf } from "./fs.js";
import { BLOCK_SECTORS } from "./sectors.js";

interface Finished {
  state: { opened: { file: { fd: number } } };
}

const BUGS: Bug[] = [
  {
    name: "a file that was received is not held against its checksum",
    install: replacing(ReceivedFile, "verify", () => () => Promise.resolve()),
  },
  {
    name: "a file that had rotted where it came from is taken as zeros",
    install: replacing(ReceivedFile, "verify", (verify) => {
      return async function (this: Finished, ...args: unknown[]) {
        try {
          await verify.apply(this, args);
        } catch {
          const { data } = inodeOf(this.state.opened.file.fd);
          for (const block of data.blocks.keys()) data.set(block, new Int32Array(BLOCK_SECTORS));
        }
      };
    }),
  },
  {
    name: "hashing believes the checksum that is recorded",
    install: replacing(Hashing, "hash", (hash) => {
      return function (this: Hashing, file: string, _rehash: boolean, signal: AbortSignal) {
        return hash.call(this, file, false, signal);
      };
    }),
  },
];

export const ROT_BUGS: Bug[] = BUGS.map((bug) => ({ ...bug, world: "rot" }));
