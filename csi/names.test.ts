import { createHash } from "node:crypto";
import t from "tap";
import { attachmentName, snapshotName, volumeName } from "./names.js";

const sha512 = (text: string) => createHash("sha512").update(text).digest("hex");

t.test(
  "names of volumes are Longhorn's: lower case, long ones by the hash of the name that was given",
  (t) => {
    const uid = "pvc-5a1c1f5e-8f0b-4a53-9f10-0f1c8e4a1d6b";
    t.equal(volumeName(uid), uid);
    t.equal(volumeName("Data"), "data");
    const long = `A${"b".repeat(127)}`;
    t.equal(volumeName(long), `a${"b".repeat(30)}-${sha512(long).slice(0, 8)}`);
    const hyphens = `${"a".repeat(29)}--${"c".repeat(20)}`;
    t.equal(volumeName(hyphens), `${"a".repeat(29)}-${sha512(hyphens).slice(0, 8)}`);
    for (const odd of ["x", "a_b.c", "-a", "ÄÖ"]) t.match(volumeName(odd), /^[a-z0-9][-a-z0-9]{1,39}$/);
    t.not(volumeName("a_b"), volumeName("a.b"));
    t.end();
  },
);

t.test("names of snapshots stay where they can", (t) => {
  const uid = "snapshot-5a1c1f5e-8f0b-4a53-9f10-0f1c8e4a1d6b";
  t.equal(snapshotName(uid), uid);
  t.equal(snapshotName("a.b"), "a.b");
  for (const odd of ["volume-head", "A", "a/b", "x".repeat(128)])
    t.match(snapshotName(odd), /^[a-z0-9][-a-z0-9]*-[0-9a-f]{16}$/);
  t.ok(snapshotName("x".repeat(128)).length <= 63);
  t.end();
});

t.test("a ticket has the name of Kubernetes' VolumeAttachment", (t) => {
  const digest = createHash("sha256").update("vdriver.longhorn.ion").digest("hex");
  t.equal(attachmentName("v", "driver.longhorn.io", "n"), `csi-${digest}`);
  t.end();
});
