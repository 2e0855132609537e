import t from "tap";
import { parseEndpoint } from "./endpoint.js";

t.test("endpoints are sockets or addresses", (t) => {
  t.strictSame(parseEndpoint("unix:///csi/csi.sock"), { type: "unix", path: "/csi/csi.sock" });
  t.strictSame(parseEndpoint("tcp://127.0.0.1:10000"), { type: "tcp", address: "127.0.0.1:10000" });
  for (const text of ["", "unix://csi.sock", "/csi/csi.sock", "tcp://host", "http://host:1"])
    t.throws(() => parseEndpoint(text), { message: `"${text}" is neither unix:///PATH nor tcp://HOST:PORT` });
  t.end();
});
