import t from "tap";
import { mountOf } from "./mounts.js";

const MOUNTINFO = [
  "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
  "40 22 7:3 /inner /mnt/bound rw - ext4 /dev/loop3 rw",
  "41 22 7:3 / /mnt/with\\040space rw,relatime shared:9 - ext4 /dev/loop3 rw",
  "42 22 259:300 / /mnt/nvme rw - xfs /dev/nvme0n1p4 rw",
  "",
].join("\n");

t.test("the root of a file system is found by its device", (t) => {
  t.equal(mountOf(MOUNTINFO, (8 << 8) | 1), "/");
  t.equal(mountOf(MOUNTINFO, (7 << 8) | 3), "/mnt/with space");
  t.equal(mountOf(MOUNTINFO, (259 << 8) | (300 & 0xff) | ((300 & ~0xff) << 12)), "/mnt/nvme");
  t.equal(mountOf(MOUNTINFO, (7 << 8) | 4), null);
  t.end();
});
