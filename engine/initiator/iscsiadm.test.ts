import t from "tap";
import { parseSessions } from "./iscsiadm.js";

// open-iscsi 2.1.8 prints this; lines that do not matter were left out.
const REPORT = `iSCSI Transport Class version 2.0-870
version 2.1.8
Target: iqn.2019-10.io.longhorn:vol:1 (non-flash)
	Current Portal: 127.0.0.1:40000,1
	Persistent Portal: 127.0.0.1:40000,1
		**********
		Interface:
		**********
		Iface Name: default
		Iface Transport: tcp
		Iface IPaddress: 127.0.0.1
		SID: 3
		iSCSI Connection State: LOGGED IN
		iSCSI Session State: LOGGED_IN
		************************
		Attached SCSI devices:
		************************
		Host Number: 2	State: running
		scsi2 Channel 00 Id 0 Lun: 0
		scsi2 Channel 00 Id 0 Lun: 1
			Attached scsi disk sdb		State: running
	Current Portal: [fd00::1]:3260,2
	Persistent Portal: [fd00::1]:3260,2
		SID: 4
		iSCSI Connection State: TRANSPORT WAIT
		iSCSI Session State: FREE
		************************
		Attached SCSI devices:
		************************
		Host Number: 3	State: running
Target: iqn.2000-01.org.example:other (non-flash)
	Current Portal: 10.0.0.1:3260,1
	Persistent Portal: 10.0.0.1:3260,1
		SID: 5
		scsi4 Channel 00 Id 0 Lun: 7
			Attached scsi disk sdc		State: running
`;

t.test("sessions are read with their portals and disks", async (t) => {
  const sessions = parseSessions(REPORT).map(({ disks, ...session }) => ({ ...session, disks: [...disks] }));
  const target = "iqn.2019-10.io.longhorn:vol:1";
  t.strictSame(sessions, [
    { id: 3, target, portal: { host: "127.0.0.1", port: 40_000 }, disks: [[1, "sdb"]] },
    { id: 4, target, portal: { host: "fd00::1", port: 3260 }, disks: [] },
    { id: 5, target: "iqn.2000-01.org.example:other", portal: { host: "10.0.0.1", port: 3260 }, disks: [[7, "sdc"]] }, // prettier-ignore
  ]);
});

t.test("text that says something else is no session", async (t) => {
  t.strictSame(parseSessions(""), []);
  t.strictSame(parseSessions("iscsiadm: No active sessions."), []);
  t.strictSame(parseSessions("Target: a\n\tPersistent Portal: nowhere\n\t\tSID: 1"), []);
});
