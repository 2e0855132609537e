import t from "tap";
import { parseMountTable } from "./mount-table.js";

t.test("a mount table is read, with paths as they are", (t) => {
  const text = [
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue", // proc_pid_mountinfo(5)
    "40 36 7:1 / /a\\040b\\134c ro,relatime shared:3 master:2 - xfs /dev/loop1 rw,emergency_ro",
    "",
  ].join("\n");
  t.match(parseMountTable(text), [
    { path: "/mnt2", root: "/mnt1", device: "98:0", options: ["rw", "noatime"], fileSystem: "ext3" },
    { path: "/a b\\c", root: "/", device: "7:1", options: ["ro", "relatime"], superOptions: ["rw", "emergency_ro"] },
  ]); // prettier-ignore
  t.equal(parseMountTable(text).length, 2);
  t.end();
});
