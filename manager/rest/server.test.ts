/** HTTP around the API: links, redirects, errors, bounds, who may ask. */
import { connect } from "node:net";
import { once } from "node:events";
import t from "tap";
import { WebSocket } from "ws";
import { BODY_BYTES_MAX } from "./limits.js";
import { startRig } from "./testing/rig.js";

t.test("links begin as the client sees the server", async (t) => {
  const { call, url } = await startRig(t);
  const self = async (headers: Record<string, string>) => (await call("GET", "/v1/volumes?a=b", undefined, headers)).json.links.self; // prettier-ignore
  t.equal(await self({}), `${url}/v1/volumes`);
  t.equal(await self({ "X-Forwarded-Host": "ui.example" }), "http://ui.example/v1/volumes");
  t.equal(await self({ "X-Forwarded-Host": "ui.example, inner", "X-Forwarded-Proto": "https" }), "https://ui.example/v1/volumes"); // prettier-ignore
  t.equal(await self({ "X-Forwarded-Host": "ui.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443" }), "https://ui.example:8443/v1/volumes"); // prettier-ignore
  t.equal(await self({ "X-Forwarded-Host": "ui.example", "X-Forwarded-Port": "80" }), "http://ui.example/v1/volumes"); // prettier-ignore
  t.equal(await self({ "X-Forwarded-Host": "<script>" }), `${url}/v1/volumes`, "what is no host is none");
  const behind = {
    "X-API-request-url": "https://ui.example/longhorn/v1/volumes?x=y",
    "X-Forwarded-Host": "other",
  };
  t.equal(await self(behind), "https://ui.example/longhorn/v1/volumes");
  const made = await call("POST", "/v1/volumes", { name: "vol", size: "1Gi" }, behind);
  t.equal(made.json.links.self, "https://ui.example/longhorn/v1/volumes/vol");
  t.equal(made.json.actions.attach, "https://ui.example/longhorn/v1/volumes/vol?action=attach");
  t.equal(made.headers.get("x-api-schemas"), "https://ui.example/longhorn/v1/schemas");
});

t.test("a slash too many is sent on; what is not there is plain; HEAD is a GET without a body", async (t) => {
  const { call, url } = await startRig(t);
  const redirected = await call("GET", "/v1/volumes/");
  t.equal(redirected.status, 301);
  t.equal(redirected.headers.get("location"), `${url}/v1/volumes`);
  await call("POST", "/v1/volumes", { name: "vol", size: "1Gi" });
  const nowhere: [string, string][] = [
    ["GET", "/v1/nothing"],
    ["GET", "/v1/nothing/"],
    ["GET", "/v2"],
    ["GET", "/v1/volumes/vol/more"],
    ["GET", "/v1/attachinputs"],
    ["POST", "/v1/volumes/vol?action=explode"],
    ["POST", "/v1/volumes/vol?action=jobList"],
    ["POST", "/v1/volumes/vol"],
    ["PUT", "/v1/volumes/vol?action=attach"],
    ["DELETE", "/v1/volumes"],
    ["GET", "/v1/volumes/%E0%A4%A"],
  ];
  for (const [method, path] of nowhere) {
    const { status, text, json } = await call(method, path);
    t.strictSame({ status, json }, { status: 404, json: null }, `${method} ${path}`);
    t.match(text, /not found/);
  }
  t.match(await call("GET", "/v1/volumes/none"), { status: 404, text: "" }, "a missing volume has no body");
  t.match(await call("HEAD", "/v1/volumes/vol"), { status: 200, text: "" });
  const error = await call("GET", "/v1/nodes/none");
  t.match(error.headers.get("content-type"), /^text\/plain/);
  t.match(error.json, { type: "error", status: 404, code: "Not Found" });
  t.match((await call("GET", "/v1", undefined, { "User-Agent": "Mozilla", Accept: "*/*" })).json.links, { volumes: `${url}/v1/volumes`, latest: `${url}/v1` }); // prettier-ignore
});

t.test("bodies have a bound, whether they tell their length or not", async (t) => {
  const { call, url } = await startRig(t);
  const large = JSON.stringify({ name: "x".repeat(BODY_BYTES_MAX) });
  t.match(await call("POST", "/v1/volumes", large), {
    status: 413,
    json: { message: /more than 1048576 bytes/ },
  });
  const stream = new ReadableStream({
    start(controller) {
      for (let i = 0; i <= 16; i++) controller.enqueue(Buffer.alloc(BODY_BYTES_MAX / 16, 32));
      controller.close();
    },
  });
  const chunked = await fetch(`${url}/v1/volumes`, {
    method: "POST",
    body: stream,
    duplex: "half",
  });
  t.equal(chunked.status, 413);
  t.match(await call("POST", "/v1/volumes", "{}", { "Content-Encoding": "gzip" }), { status: 400 });
  const invalid = await fetch(`${url}/v1/volumes`, { method: "POST", body: Buffer.from([0x7b, 0xff, 0x7d]) });
  t.match(await invalid.text(), /no UTF-8/);
  t.match(
    await call("POST", "/v1/volumes", { name: "vol", size: "1Gi" }),
    { status: 200 },
    "others are served",
  );
  t.match(
    await call("POST", "/v1/volumes/vol?action=detach", "no JSON at all"),
    { status: 200 },
    "it is not read",
  );
});

t.test("nonsense on the socket does no harm", async (t) => {
  const { server, call, errors } = await startRig(t);
  for (const nonsense of [
    "\0\0\0\0",
    "GET\r\n\r\n",
    `GET / HTTP/1.1\r\nX: ${"y".repeat(64 << 10)}\r\n\r\n`,
    "GET //evil HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
  ]) {
    // prettier-ignore
    const socket = connect(server.address.port, "127.0.0.1");
    // A reset is an answer as well.
    socket.on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end(nonsense);
    socket.resume();
    await closed;
  }
  t.equal((await call("GET", "/v1")).status, 200);
  t.strictSame(errors, []);
});

t.test("with a token only those who know it may ask, for anything", async (t) => {
  const { call, url } = await startRig(t, { token: "secret-words" });
  const asked = (path: string, authorization?: string) => call("GET", path, undefined, authorization === undefined ? {} : { Authorization: authorization }); // prettier-ignore
  for (const path of ["/v1/volumes", "/metrics", "/v1/nothing", "/v1/schemas"])
    for (const authorization of [
      undefined,
      "",
      "Bearer",
      "Bearer wrong",
      "Bearer secret-word",
      "Basic secret-words",
    ]) {
      // prettier-ignore
      const answer = await asked(path, authorization);
      t.match(answer, { status: 401, json: { type: "error", status: 401 } }, `${path} ${authorization}`);
      t.equal(answer.headers.get("www-authenticate"), "Bearer");
    }
  t.equal((await asked("/v1/volumes", "Bearer secret-words")).status, 200);
  t.equal((await asked("/metrics", "bearer secret-words")).status, 200);
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws/volumes`);
  const [error] = (await once(socket, "error")) as [Error];
  t.match(error.message, /401/);
});

t.test("it listens on loopback alone", async (t) => {
  const { server } = await startRig(t);
  t.equal(server.address.address, "127.0.0.1");
});

t.test("metrics tell of objects and of requests", async (t) => {
  const { call } = await startRig(t);
  await call("POST", "/v1/volumes", { name: "vol", size: "1Gi" });
  await call("GET", "/v1/volumes/none");
  const { text, headers } = await call("GET", "/metrics");
  t.match(headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  t.match(text, 'longhorn_volume_capacity_bytes{node="",volume="vol",pvc="",pvc_namespace=""} 1073741824');
  t.match(
    text,
    /aurochs_http_request_duration_seconds_count\{method="GET",route="\/v1\/volumes\/\{name\}",status="404"\} 1/,
  );
});
