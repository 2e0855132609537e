/** Copies of one volume lie on one image, wherever and however each node keeps it. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { LonghornCluster } from "./longhorn-cluster.js";

const SIZE = 16 << 20;
const IMAGE_BYTES = 8 << 20;

t.test("copies on different images do not start together, nor is one added on another image", async (t) => {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  const at = (name: string) => join(cluster.directory, name);
  const content = randomBytes(IMAGE_BYTES);
  content.fill("compressible", 1 << 20, 6 << 20);
  writeFileSync(at("raw"), content);
  execFileSync("qemu-img", ["convert", "-c", "-f", "raw", "-O", "qcow2", at("raw"), at("qcow2")]);
  writeFileSync(at("other"), Buffer.from(content).fill(1, 4096, 4097));
  const on = (image: string) => ["--backing-file", at(image)];
  const first = await cluster.addNode(on("raw"));
  const second = await cluster.addNode(on("qcow2"));

  let engine = await cluster.startEngine([first, second]);
  t.equal(await cluster.modes(engine), "RW RW", "raw and compressed qcow2 of the same content");
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, 4096, 1);
  io.kill();
  const alien = await cluster.addNode(on("other"));
  await t.rejects(cluster.add(engine, alien), { message: /is not what the copies lie on/ });
  const bare = await cluster.addNode();
  await t.rejects(cluster.add(engine, bare), {
    message: /backing image: none.* is not what the copies lie on/,
  });
  const third = await cluster.addNode(on("raw"));
  await cluster.add(engine, third);
  t.equal(await cluster.modes(engine), "RW RW RW");
  await cluster.stop(engine.process);

  await cluster.stop(second.process);
  await cluster.restart(second, on("other"));
  const named = new RegExp(
    `replica ${first.address.slice(6)} lies on a backing image .*, and replica ${second.address.slice(6)} lies on a backing image`,
  );
  await t.rejects(cluster.startEngine([first, second, third]), { message: named });
  await cluster.stop(second.process);
  await cluster.restart(second, on("raw"));
  engine = await cluster.startEngine([first, second, third]);
  t.equal(await cluster.modes(engine), "RW RW RW", "with the right one again");
});
