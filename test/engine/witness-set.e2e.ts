/** The witness of a volume that is used: another one, the same one elsewhere, none. */
import { join } from "node:path";
import t from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { connectMembers } from "../../engine/client/connections.js";
import { EngineWatchStreams, type WitnessState } from "../../proto/engine-watch.js";
import { follow, type Following } from "../../proto/server-stream.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { LonghornCluster, type Engine } from "./longhorn-cluster.js";

const SIZE = 1 << 26;
const WAIT_MS = 60_000;
const IDENTITY = { volumeName: "test-vol", instanceName: "" };

/** A witness at an address of its own. */
async function startWitness(cluster: LonghornCluster, name: string): Promise<[Daemon, address: string]> {
  const [port = 0] = await freePorts([], 1, 1);
  const address = `127.0.0.1:${port}`;
  const daemon = startDaemon("bin/aurochs", ["witness", join(cluster.directory, name), "--listen", address]);
  await waitFor("the witness to serve", WAIT_MS, () => (daemon.output().includes("serves") ? true : undefined)); // prettier-ignore
  return [daemon, address];
}

class Witnessed {
  #told: WitnessState | null = null;
  readonly #stream: Following;
  readonly #members: ReturnType<typeof connectMembers>;

  constructor({ url }: Engine) {
    this.#members = connectMembers(url, IDENTITY);
    this.#stream = follow(EngineWatchStreams.watch, url, {}, ({ witness }) => {
      this.#told = witness;
    });
  }

  set(address: string): Promise<unknown> {
    return this.#members.call("set", (calls, options) => calls.witnessSet({ address }, options));
  }

  until(what: string, good: (witness: WitnessState | null) => boolean): Promise<string> {
    return waitFor(what, WAIT_MS, () => (good(this.#told) ? (this.#told?.replicaId ?? "") : undefined));
  }

  counts(address: string): Promise<string> {
    return this.until(`${address} to count`, (told) => told?.address === address && told.member);
  }

  end(): void {
    this.#stream.close();
    this.#members.close();
  }
}

t.test("a volume that is used gets another witness, and finds its own elsewhere", async (t) => {
  const cluster = new LonghornCluster(SIZE);
  const daemons: Daemon[] = [];
  const start = async (name: string) => {
    const [daemon, address] = await startWitness(cluster, name);
    daemons.push(daemon);
    return { daemon, address };
  };
  t.teardown(async () => {
    for (const daemon of daemons) daemon.child.kill("SIGKILL");
    await cluster.end();
  });
  const nodes = [await cluster.addNode(), await cluster.addNode()] as const;
  const engine = await cluster.startEngine(nodes);
  const witnessed = new Witnessed(engine);
  t.teardown(() => witnessed.end());
  await witnessed.until("the engine to tell that it has none", (told) => told === null);
  await t.rejects(witnessed.set("nowhere"), /witness: .*nowhere/);

  const first = await start("w1");
  await witnessed.set(first.address);
  const id = await witnessed.counts(first.address);
  const second = await start("w2");
  await witnessed.set(second.address);
  t.not(await witnessed.counts(second.address), id);
  await witnessed.set(first.address);
  t.equal(await witnessed.counts(first.address), id);

  first.daemon.child.kill("SIGKILL");
  await first.daemon.ended;
  const moved = await start("w1");
  await witnessed.set(moved.address);
  t.equal(await witnessed.counts(moved.address), id, "the same one");

  // It is asked where it is now: a copy fails, and the other goes on.
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, 4096, 1);
  await cluster.kill(nodes[1].process);
  await io.write(4096, 4096, 2);
  t.equal(await cluster.modes(engine), "RW ERR");

  // With the copy that comes back it counts again at once, and what only the two know is enough to go on with.
  await cluster.restart(nodes[1]);
  await waitFor("the copy to be back", WAIT_MS, async () => ((await cluster.modes(engine)) === "RW RW" ? true : undefined)); // prettier-ignore
  t.equal(await witnessed.counts(moved.address), id);
  await witnessed.set("");
  await witnessed.until("none to be left", (told) => told === null);
  await cluster.kill(nodes[0].process);
  await io.write(8192, 4096, 3);
  t.strictSame(await io.read(0, 12288), [
    { version: 1, sectors: 8 },
    { version: 2, sectors: 8 },
    { version: 3, sectors: 8 },
  ]);
  io.kill();
});
