/** An iSCSI disk as the guest's kernel sees it. */
import { HOST, type Guest } from "./guest.js";

export interface LoginOptions {
  /** CRC32C on headers and data */
  digests?: boolean;
  chap?: { user: string; password: string; targetUser?: string; targetPassword?: string };
}

/** What is read of fio's. */
interface FioReport {
  jobs: { write: { lat_ns: { max: number } }; sync: { lat_ns: { max: number } } }[];
}

export class Disk {
  private constructor(
    private readonly guest: Guest,
    /** how iscsiadm names it */
    private readonly node: string,
    /** e.g. `/dev/sda` */
    readonly device: string,
  ) {}

  /** @param url `iscsi://host:port/iqn/lun`, the host being this machine's loopback */
  static async login(guest: Guest, url: string, options: LoginOptions = {}): Promise<Disk> {
    const { port, pathname } = new URL(url);
    const iqn = pathname.split("/")[1] ?? "";
    // A node record by hand: discovery names the portal by its address on this side of qemu's address translation.
    const node = `-m node -T ${iqn} -p ${HOST}:${port}`;
    await guest.run(`/tools/iscsiadm ${node} -o new`);
    for (const [name, value] of settings(options))
      await guest.run(`/tools/iscsiadm ${node} -o update -n ${name} -v ${value}`);
    await guest.run(`/tools/iscsiadm ${node} --login`);
    const device = await guest.run(
      "for i in $(seq 100); do d=$(ls -d /sys/class/iscsi_session/*/device/target*/*/block/* 2>/dev/null) && break; sleep 0.1; done; basename $d",
    );
    return new Disk(guest, node, `/dev/${device}`);
  }

  /** One that somebody else has logged in to. */
  static at(guest: Guest, device: string): Disk {
    return new Disk(guest, "", device);
  }

  async logout(): Promise<void> {
    await this.guest.run(`/tools/iscsiadm ${this.node} --logout`);
    await this.guest.run(`/tools/iscsiadm ${this.node} -o delete`);
  }

  async makeFileSystem(type: "ext4" | "xfs"): Promise<void> {
    await this.guest.run(
      type === "ext4" ? `/tools/mke2fs -q -t ext4 -F ${this.device}` : `/tools/mkfs.xfs -q -f ${this.device}`,
    );
    await this.guest.run(`mount -t ${type} ${this.device} /mnt`);
  }

  /** Unmounts and lets the file system's own checker look at it. */
  async unmountAndCheck(type: "ext4" | "xfs"): Promise<void> {
    await this.guest.run("umount /mnt", 120_000);
    await this.guest.run(
      type === "ext4" ? `/tools/e2fsck -f -n ${this.device}` : `/tools/xfs_repair -n ${this.device}`,
      120_000,
    );
  }

  /** Writes a file at a given rate, then reads all of it back and compares; so it takes as long as one wants.
   * @returns how long the slowest write and the slowest sync took, ms */
  async writeAndVerify(options: {
    mebibytes: number;
    seconds: number;
  }): Promise<{ write: number; sync: number }> {
    const output = await this.guest.run(verifyCommand(options), 180_000);
    const report = JSON.parse(output.slice(output.indexOf("{"))) as FioReport;
    const job = report.jobs[0];
    return { write: (job?.write.lat_ns.max ?? 0) / 1e6, sync: (job?.sync.lat_ns.max ?? 0) / 1e6 };
  }
}

/** fio, as `writeAndVerify` runs it. */
export function verifyCommand({ mebibytes, seconds }: { mebibytes: number; seconds: number }): string {
  return (
    "/tools/fio --name=verify --directory=/mnt --ioengine=libaio --direct=1 --iodepth=16 --rw=randwrite --bs=16k" +
    ` --size=${mebibytes}m --rate_iops=,${Math.ceil((mebibytes * 64) / seconds)} --fsync=64` +
    " --verify=crc32c --verify_fatal=1 --do_verify=1 --output-format=json"
  );
}

function settings({ digests, chap }: LoginOptions): [string, string][] {
  const list: [string, string][] = [];
  if (digests === true)
    list.push(["node.conn[0].iscsi.HeaderDigest", "CRC32C"], ["node.conn[0].iscsi.DataDigest", "CRC32C"]);
  if (chap !== undefined) {
    list.push(["node.session.auth.authmethod", "CHAP"]);
    list.push(["node.session.auth.username", chap.user], ["node.session.auth.password", chap.password]);
    if (chap.targetUser !== undefined && chap.targetPassword !== undefined) {
      list.push(["node.session.auth.username_in", chap.targetUser]);
      list.push(["node.session.auth.password_in", chap.targetPassword]);
    }
  }
  return list;
}
