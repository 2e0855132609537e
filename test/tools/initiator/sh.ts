/** What an engine writes to files of a disk in sysfs: of a loop device only a new look at its size is of any effect. */
import { rescan } from "./sessions.js";

const [, , , path = ""] = process.argv;
const [, disk = "", file = ""] = /^\/sys\/class\/block\/(loop\d+)\/device\/(\w+)$/.exec(path) ?? [];
if (file === "rescan") await rescan(process.env["AUROCHS_TEST_INITIATOR"] ?? "", disk);
