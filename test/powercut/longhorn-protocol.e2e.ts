/** A power cut under Longhorn's engine, whose protocol has no flush. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Home } from "../replica/harness.js";
import { Dataconn, TYPE } from "../tools/dataconn.js";
import { ForgetfulDisk } from "./forgetful-disk.js";

const DISK_MEBIBYTES = 128;
const BLOCK = 4096;
const WRITES = 60;

t.test("what Longhorn's engine was answered is there after a power cut, and counted", async (t) => {
  const disk = await ForgetfulDisk.make("ext4", DISK_MEBIBYTES);
  t.teardown(() => disk.remove());
  const home = new Home(t);
  const directory = join(disk.mountPoint, "replica");
  const counted = () => readFileSync(join(directory, "revision.counter"), "latin1").replace(/\0+$/, "");
  const first = await home.start({ directory, revisionCounter: true });
  const longhorn = await Dataconn.open({ host: "127.0.0.1", port: first.running.dataPort });
  // One block again and again, and one each that is new: what is allocated has to be durable as well.
  for (let i = 1; i <= WRITES; i++) {
    const answers = await Promise.all([
      longhorn.ask(TYPE.WRITE, 0, BLOCK, Buffer.alloc(BLOCK, i)),
      longhorn.ask(TYPE.WRITE, i * BLOCK, BLOCK, Buffer.alloc(BLOCK, i)),
    ]);
    for (const { type } of answers) t.equal(type, TYPE.RESPONSE);
  }
  t.equal((await longhorn.ask(TYPE.UNMAP, BLOCK, BLOCK)).type, TYPE.RESPONSE);
  disk.cutPower({ seed: 1, keep: 0, granule: 4096 });
  longhorn.close();
  await first.kill("SIGKILL");
  await disk.powerOff();
  await disk.powerOn();

  home.boot("boot-2");
  t.equal(counted(), String(2 * WRITES + 1));
  const second = await home.start({ directory });
  const again = await Dataconn.open({ host: "127.0.0.1", port: second.running.dataPort });
  const block = async (index: number) => (await again.ask(TYPE.READ, index * BLOCK, BLOCK)).data;
  t.ok((await block(0)).equals(Buffer.alloc(BLOCK, WRITES)), "the last one");
  t.ok((await block(1)).equals(Buffer.alloc(BLOCK)), "what was unmapped");
  for (let i = 2; i <= WRITES; i++) t.ok((await block(i)).equals(Buffer.alloc(BLOCK, i)), `block ${i}`);
  again.close();
  await second.kill("SIGTERM");
});
