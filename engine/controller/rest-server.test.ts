import t, { type Test } from "tap";
import { REST_BODY_BYTES_MAX } from "./limits.js";
import { RestServer } from "./rest-server.js";

const SIZE = 8192;
const ID = Buffer.from("vol").toString("base64");

async function served(t: Test) {
  const content = Buffer.alloc(SIZE);
  const server = await RestServer.serve(
    {
      name: "vol",
      size: SIZE,
      read: (offset, length) => Promise.resolve(content.subarray(offset, offset + length)),
      write: (offset, data) => {
        content.set(data, offset);
        return Promise.resolve();
      },
    },
    "127.0.0.1",
    0,
  );
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${server.port}/v1/volumes`;
  const post = async (path: string, body: string) => {
    const response = await fetch(`${base}${path}`, { method: "POST", body });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { content, base, post };
}

t.test("the volume is listed, written and read", async (t) => {
  const { base, post, content } = await served(t);
  const list = await (await fetch(base)).json();
  t.match(list, { type: "collection", data: [{ id: ID, name: "vol", size: String(SIZE) }] });
  const data = Buffer.alloc(512, 7).toString("base64");
  t.equal(
    (await post(`/${ID}?action=writeat`, JSON.stringify({ offset: 512, length: 512, data }))).status,
    200,
  );
  t.same(content.subarray(512, 1024), Buffer.alloc(512, 7));
  const read = await post(`/${ID}?action=readat`, JSON.stringify({ offset: 512, length: 512 }));
  t.strictSame(read, { status: 200, body: { type: "readOutput", data } });
});

t.test("what is wrong is named, and changes nothing", async (t) => {
  const { base, post, content } = await served(t);
  const data = Buffer.alloc(512, 7).toString("base64");
  const rows: [string, string, number, RegExp][] = [
    ["/x?action=readat", "{}", 404, /no volume with id x/],
    ["/x/y", "{}", 404, /there is no/],
    [`/${ID}?action=no`, "{}", 400, /no action no/],
    [`/${ID}?action=readat`, "{", 400, /not JSON/],
    [`/${ID}?action=readat`, "null", 400, /no object/],
    [`/${ID}?action=readat`, '{"offset":1,"length":512}', 400, /offset is not a multiple of 512: 1/],
    [`/${ID}?action=readat`, '{"offset":0,"length":"512"}', 400, /length/],
    [`/${ID}?action=readat`, '{"offset":8192,"length":512}', 400, /pass the end/],
    [`/${ID}?action=readat`, '{"offset":0,"length":2097152}', 400, /more than/],
    [`/${ID}?action=writeat`, '{"offset":0,"length":512}', 400, /data is missing/],
    [`/${ID}?action=writeat`, `{"offset":0,"length":1024,"data":"${data}"}`, 400, /data has 512 bytes/],
    [`/${ID}?action=writeat`, " ".repeat(REST_BODY_BYTES_MAX + 1), 413, /longer than/],
    ["", "{}", 405, /the method is POST/],
  ];
  for (const [path, body, status, message] of rows) {
    const answer = await post(path, body);
    t.match(answer, { status, body: { type: "error", message } }, path);
  }
  t.equal((await fetch(`${base}/${ID}?action=readat`)).status, 405);
  t.ok(content.every((byte) => byte === 0));
});
