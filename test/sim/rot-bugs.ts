/** Deliberate bugs in what is done about disks that rot. */
import { Hashing } from "../../replica/sync/hashing.js";
import { ReceivedFile } from "../../replica/sync/received-file.js";
import { replacing, type Bug } from "./bug.js";

const BUGS: Bug[] = [
  {
    name: "a file that was received is not held against its checksum",
    install: replacing(ReceivedFile, "verify", () => () => Promise.resolve()),
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
