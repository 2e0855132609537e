/** A target over a real volume with one replica's store behind it, in a directory of its own, for tests. */
import { closeSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { DataServer, listenTcp, openStore, Target, Volume } from "../../../native/index.js";
import type { Portal } from "../discovery.js";
import { IscsiTarget, type IscsiTargetOptions } from "../target.js";

export const IQN = "iqn.2019-10.io.longhorn:vol";
export const LUN = 1;
export const VOLUME_SIZE = 16 * 2 ** 20;

const LIMITS = { maxRequests: 128, maxPayload: 2 ** 20, maxPayloadInFlight: 2 ** 26, connectionsMax: 4 };

export interface Rig {
  target: IscsiTarget;
  volume: Volume;
  portal: Portal;
  /** what `persist` was given last */
  saved: () => Buffer | null;
  close: () => Promise<void>;
}

export async function openRig(change: Partial<IscsiTargetOptions> = {}, host = "127.0.0.1"): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-target-"));
  const head = join(directory, "head.img");
  writeFileSync(head, "");
  truncateSync(head, VOLUME_SIZE);
  const fatal = (error: Error): never => {
    throw error;
  };
  const files = {
    layers: [{ path: head }],
    backing: false,
    size: VOLUME_SIZE,
    regionMapPath: join(directory, "regions"),
  };
  const store = await openStore({ ...files, cache: "writeback", regionSize: 2 ** 20, ioThreads: 2 }, fatal);
  const server: DataServer = new DataServer(store, LIMITS, (event) => {
    if (event.type === "hello") server.accept(event.stream);
  });
  const data = listenTcp("127.0.0.1", 0);
  server.listen(data.fd);
  closeSync(data.fd);
  const volume = new Volume({ size: VOLUME_SIZE, replicaTimeoutMs: 60_000 }, () => undefined);
  await volume.connect(0, data.host, data.port, {
    volume: "vol",
    replicaId: "r",
    engineId: "e",
    generation: 1,
  });
  await volume.setMode(0, "RW");
  let saved: Buffer | null = null;
  const target = new IscsiTarget(
    {
      iqn: IQN,
      volume: "vol",
      lun: LUN,
      logicalBlockSize: 512,
      size: VOLUME_SIZE,
      acl: null,
      chap: null,
      portals: [],
      savedReservations: null,
      unitState: null,
      ...change,
    },
    {
      createTarget: (options, onEvent) => new Target(volume, options, onEvent),
      extents: (offset, length) => volume.extents(null, offset, length),
      flush: () => volume.flush(null),
      persist: (state) => {
        saved = state;
        return Promise.resolve();
      },
      log: pino({ level: "silent" }),
    },
  );
  const [portal] = await target.start([{ host, port: 0 }]);
  if (portal === undefined) throw new Error("no portal");
  return {
    target,
    volume,
    portal,
    saved: () => saved,
    async close() {
      await target.shutdown();
      await volume.close();
      await server.close();
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}
