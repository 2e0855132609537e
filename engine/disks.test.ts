import t from "tap";
import type { DiskInfo, Replica } from "../proto/longhorn.js";
import { besideHead, snapshotsOf } from "./disks.js";

void t.test("a head from before, whose name was left over, is no snapshot that others need", (t) => {
  const disk = (name: string) => [name, { name, parent: "", children: {}, size: "1" } as unknown as DiskInfo];
  const files = ["volume-head-002.img", "volume-head-001.img", "volume-snap-a.img", "backing.img"];
  const replica = {
    ...{ disks: Object.fromEntries(files.map(disk)) as Record<string, DiskInfo>, head: files[0] ?? "" },
    backingFile: "backing.img",
  } as Replica;
  t.strictSame([...snapshotsOf(replica).keys()], ["volume-snap-a.img"]);
  t.strictSame([...besideHead(replica).keys()], ["volume-head-001.img", "volume-snap-a.img"]);
  t.end();
});
