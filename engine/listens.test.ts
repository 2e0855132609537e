import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import t from "tap";
import { listens } from "./listens.js";

const TIMEOUT_MS = 10_000;

t.test("somebody listens until the port is closed", async (t) => {
  const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.equal(await listens(address, TIMEOUT_MS), true);
  server.close();
  await once(server, "close");
  t.equal(await listens(address, TIMEOUT_MS), false);
});
