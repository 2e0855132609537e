/** Both ends in C++, through the addon. */
import { closeSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataServer, listenTcp, openStore, Volume } from "../../native/index.js";
import { decideHello } from "../../replica/decide.js";
import { LIMITS, type ClientKind, type ServerKind } from "./pairing.js";
import { STANDING } from "./typescript-ends.js";

export const nativeServer: ServerKind = {
  name: "C++ server",
  async open(size) {
    const directory = mkdtempSync(join(tmpdir(), "aurochs-contract-"));
    const head = join(directory, "head.img");
    writeFileSync(head, "");
    truncateSync(head, size);
    const store = await openStore(
      {
        layers: [{ path: head }],
        backing: false,
        size,
        cache: "writeback",
        regionMapPath: join(directory, "regions"),
        regionSize: 1 << 20,
        ioThreads: 2,
      },
      (error) => {
        throw error;
      },
    );
    const server: DataServer = new DataServer(store, { ...LIMITS, connectionsMax: 8 }, (event) => {
      if (event.type !== "hello") return;
      const decided = decideHello(STANDING, event.protocolVersion, event.hello);
      if (decided.accept) server.accept(event.stream);
      else server.reject(event.stream, decided.status, decided.message);
    });
    const { fd, port } = listenTcp("127.0.0.1", 0);
    server.listen(fd);
    closeSync(fd);
    return {
      port,
      async close() {
        await server.close();
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
};

const SLOT = 0;

export const nativeClient: ClientKind = {
  name: "C++ client",
  async connect(port, hello, volumeSize) {
    const volume: Volume = new Volume({ size: volumeSize, replicaTimeoutMs: 60_000 }, (event) => {
      // A volume holds what failed until somebody decides; here the decision is always to let it fail.
      if (event.type === "failed") void volume.failHeld(event.slot, event.status);
      if (event.type === "disconnected") void volume.failHeld(event.slot, "DISCONNECTED");
    });
    try {
      const reply = await volume.connect(SLOT, "127.0.0.1", port, hello);
      await volume.setMode(SLOT, "RW");
      return {
        hello: reply,
        read: (offset, length) => volume.read(SLOT, offset, length),
        write: (offset, data, options) => volume.write(SLOT, offset, data, options),
        flush: () => volume.flush(SLOT),
        unmap: (offset, length) => volume.unmap(SLOT, offset, length),
        writeZeroes: (offset, length) => volume.writeZeroes(SLOT, offset, length),
        extents: (offset, length) => volume.extents(SLOT, offset, length),
        close: () => volume.close(),
      };
    } catch (error) {
      await volume.close();
      throw error;
    }
  },
};
