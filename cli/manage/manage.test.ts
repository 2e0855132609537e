/** The commands as they are used: the real executable, the real API. What runs below the API is not real. */
import t from "tap";
import { modify } from "../../manager/store/store.js";
import { attach } from "../../manager/rest/testing/world.js";
import { run, startCliRig, timeless } from "./testing/rig.js";

t.test("a volume is made, shown and attached", async (t) => {
  const { aurochs, ...rig } = await startCliRig(t);
  t.strictSame(await aurochs("volume", "create", "data", "--size", "10GiB", "--replicas", "2"), {
    code: 0,
    out: "data is being made: 10 GiB\n",
    err: "",
  });
  const waiting = aurochs("volume", "attach", "data", "node-1", "--wait");
  await attach(rig, "data");
  await modify(rig.store, "VolumeAttachment", "data", "status", ({ status }) => {
    status.attachmentTicketStatuses[""] = { id: "", generation: 1, satisfied: true, conditions: [] };
  });
  t.match(await waiting, { code: 0, out: "data is attached to node-1: /dev/longhorn/data\n" });

  const list = await aurochs("volume", "list");
  t.equal(
    timeless(list.out),
    [
      "NAME     SIZE    USED   STATE      HEALTH                     COPIES   NODE     AGE",
      "data   10 GiB   8 KiB   attached   healthy, rebuilding 40 %   2/2      node-1   AGE",
      "",
    ].join("\n"),
  );
  const shown = await aurochs("volume", "get", "data");
  t.equal(
    timeless(shown.out.replace(/created .*\n/, "")),
    [
      "volume         data",
      "state          attached, on node-1",
      "health         healthy, rebuilding 40 %",
      "size           10 GiB, 8 KiB used",
      "device         /dev/longhorn/data",
      "copies         2/2 (2 wanted)",
      "wanted on      node-1 by longhorn-api",
      "frontend       blockdev",
      "data locality  disabled",
      "access mode    rwo",
      "",
      "REPLICA    NODE     STATE             FAILED   PATH",
      "data-r-0   node-1   current                    /var/lib/longhorn/replicas/data-0",
      "data-r-1   node-2   rebuilding 40 %            /var/lib/longhorn/replicas/data-1",
      "",
    ].join("\n"),
  );
  const json = await aurochs("volume", "get", "data", "--json");
  t.strictSame(JSON.parse(json.out), (await rig.call("GET", "/v1/volumes/data")).json);
  t.strictSame(await aurochs("explain", "data"), {
    code: 0,
    out: "Volume data is attached to node-1 and healthy: 2 of 2 copies current. Nothing is wrong.\n",
    err: "",
  });
  t.strictSame(await aurochs("replica", "list", "--node", "node-2"), {
    code: 0,
    err: "",
    out: [
      "VOLUME   REPLICA    NODE     STATE             FAILED   PATH",
      "data     data-r-1   node-2   rebuilding 40 %            /var/lib/longhorn/replicas/data-1",
      "",
    ].join("\n"),
  });
});

t.test("with --watch there is a line of JSON for each change", async (t) => {
  const { follow, aurochs } = await startCliRig(t);
  const lines = follow("volume", "list", "--watch", "--json");
  const next = async () => JSON.parse(String((await lines.next()).value)) as { name: string }[];
  t.strictSame(await next(), []);
  await aurochs("volume", "create", "data", "--size", "10GiB");
  t.match(await next(), [{ name: "data" }]);
});

t.test("what removes data asks, and does not do it where nobody answers", async (t) => {
  const { aurochs, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB");
  t.strictSame(await aurochs("volume", "delete", "data"), {
    code: 2,
    out: "",
    err: "aurochs: This removes all data and snapshots of data, for good.\nNobody can be asked here: --yes says that it shall be done.\n",
  });
  t.match((await rig.call("GET", "/v1/volumes/data")).json, { state: "creating" });
  t.match(await aurochs("volume", "delete", "data", "nothere", "--yes"), { code: 4, err: "aurochs: volume nothere is not found\n" }); // prettier-ignore
  t.match((await rig.call("GET", "/v1/volumes/data")).json, { state: "creating" }, "none is removed if one is misspelt"); // prettier-ignore
  t.match(await aurochs("volume", "delete", "data", "--yes"), { code: 0, out: "data is being deleted\n" });
  t.match((await rig.call("GET", "/v1/volumes/data")).json, { state: "deleting" });
});

t.test("on a terminal it asks, and there are colours", async (t) => {
  const { aurochs, typed, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB", "--replicas", "2");
  await attach(rig, "data");
  const declined = await typed("n\n", "volume", "delete", "data");
  t.match(declined, { code: 7, out: /for good\. In use: data\.\r\nGo on\? \[y\/N\] .*aurochs: nothing was done\r\n/s }); // prettier-ignore
  t.match((await rig.call("GET", "/v1/volumes/data")).json, { state: "attached" });
  t.match((await typed("", "volume", "list")).out, "\x1b[32mhealthy, rebuilding 40 %\x1b[0m");
  t.match(await typed("y\n", "volume", "delete", "data"), { code: 0, out: /data is being deleted\r\n/ });
  t.match((await rig.call("GET", "/v1/volumes/data")).json, { state: "deleting" });
});

t.test("errors say what is wrong, and exit codes tell them apart", async (t) => {
  const { aurochs, url, store } = await startCliRig(t, { token: "secret" });
  t.strictSame(await aurochs("volume", "list"), {
    code: 1,
    out: "",
    err: "aurochs: this API asks for a bearer token\nGive it by --token-file or AUROCHS_TOKEN.\n",
  });
  const env = { PATH: process.env["PATH"], AUROCHS_TOKEN: "secret" };
  t.match(await run(["node", "get", "other", "--url", url], env), { code: 4, err: "aurochs: node other is not found\n" }); // prettier-ignore
  t.match(await run(["volume", "create", "x", "--size", "10GiB", "--url", url], env), {
    code: 1,
    err: /^aurochs: volume: name: "x" is no name/,
  });
  t.match(await run(["volume", "create", "data", "--size", "ten", "--url", url], env), { code: 2, err: /--size <size>/ }); // prettier-ignore
  t.strictSame(await run(["node", "list", "--url", "http://127.0.0.1:1"], env), {
    code: 3,
    out: "",
    err: "aurochs: no answer from the manager at http://127.0.0.1:1: connection refused\nStart it, or name the one that you mean by --url or AUROCHS_URL.\n",
  });
  await run(["volume", "create", "data", "--size", "10GiB", "--url", url], env);
  t.strictSame(await run(["volume", "attach", "data", "node-1", "--timeout", "0.2", "--url", url], env), {
    code: 6,
    out: "",
    err: "data  creating, 0 of 0 copies running\naurochs: not within 0.2 s: creating, 0 of 0 copies running\naurochs explain data says more\n",
  });
  await modify(store, "Volume", "data", "status", ({ status }) => {
    Object.assign(status, { state: "detached", robustness: "faulted" });
  });
  t.strictSame(await run(["volume", "attach", "data", "node-1", "--wait", "--url", url], env), {
    code: 5,
    out: "",
    err: "aurochs: volume data is faulted: no copy can be used. aurochs explain data says more\n",
  });
});

t.test("nodes and disks are changed without losing what is not named", async (t) => {
  const { aurochs, store } = await startCliRig(t);
  t.match(await aurochs("node", "evict", "node-1"), { code: 0, out: "node-1 is being emptied\n" });
  const emptied = await store.get("Node", "node-1");
  t.match(emptied?.spec, { allowScheduling: false, evictionRequested: true, tags: ["fast", "node-1"] });
  t.match(await aurochs("node", "evict", "node-1", "--wait"), {
    code: 0,
    out: "no replica is left on node-1\n",
  });
  await aurochs("disk", "add", "node-1", "/mnt/nvme1", "--reserved", "1GiB", "--tag", "new");
  await aurochs("disk", "evict", "node-1", "main");
  t.match((await store.get("Node", "node-1"))?.spec.disks, {
    main: { path: "/var/lib/longhorn", allowScheduling: false, evictionRequested: true, tags: ["nvme"], storageReserved: 2 ** 30 }, // prettier-ignore
    nvme1: { path: "/mnt/nvme1", allowScheduling: true, tags: ["new"], storageReserved: 2 ** 30 },
  });
  await aurochs("node", "uncordon", "node-1");
  const list = await aurochs("node", "list");
  t.equal(
    list.out,
    [
      "NAME     READY   SCHEDULING   ZONE             REPLICAS   PROMISED   AVAILABLE      SIZE   TAGS",
      "node-1   yes     on           zone-of-node-1          0        0 B      80 GiB   100 GiB   fast,node-1",
      "node-2   yes     on           zone-of-node-2          0        0 B      80 GiB   100 GiB   fast,node-2",
      "node-3   yes     on           zone-of-node-3          0        0 B      80 GiB   100 GiB   fast,node-3",
      "",
    ].join("\n"),
  );
  t.match(await aurochs("disk", "remove", "node-1", "main", "--yes"), { code: 0 });
  t.strictSame(Object.keys((await store.get("Node", "node-1"))?.spec.disks ?? {}), ["nvme1"]);
});

t.test(
  "a node is drained: nothing moves, and it may go down when its volumes are healthy elsewhere",
  async (t) => {
    const { aurochs, ...rig } = await startCliRig(t);
    for (const [name, replicas] of [
      ["data", "2"],
      ["single", "1"],
    ] as const)
      // prettier-ignore
      await aurochs("volume", "create", name, "--size", "10GiB", "--replicas", replicas);
    await attach(rig, "data");
    await modify(rig.store, "Engine", "data-e-0", "status", ({ status }) => {
      status.replicaModeMap["data-r-1"] = "WO";
    });
    t.match(await aurochs("node", "drain", "node-1", "--timeout", "0.2"), {
      code: 6,
      err: /^node-1 {3}40 % {2}1 volume without a healthy copy elsewhere: data is being rebuilt\naurochs: not within 0.2 s/,
    });
    const drained = await rig.store.get("Node", "node-1");
    t.match(drained?.spec, { allowScheduling: false, evictionRequested: false, tags: ["fast", "node-1"] });
    const waiting = aurochs("node", "drain", "node-1");
    await modify(rig.store, "Engine", "data-e-0", "status", ({ status }) => {
      status.replicaModeMap["data-r-1"] = "RW";
      status.rebuildStatus = {};
    });
    t.match(await waiting, {
      code: 0,
      out: "node-1 may go down: each volume with a copy there (1) has a healthy one elsewhere.\nStill attached there: data. Move their users first: aurochs volume detach, or in Kubernetes kubectl drain.\n",
    });
    await attach(rig, "single");
    t.match(await aurochs("node", "drain", "node-1"), {
      code: 5,
      err: /node-1 must not go down yet, and stays cordoned:\n {2}single wants one copy, which is on node-1: /,
    });
  },
);

t.test("snapshots, settings, jobs and events", async (t) => {
  const { aurochs, follow, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB", "--replicas", "2");
  await attach(rig, "data");
  t.match(await aurochs("snapshot", "create", "data", "one", "--label", "of=test"), { code: 0, out: "snapshot one of data\n" }); // prettier-ignore
  t.match(await aurochs("snapshot", "revert", "data", "one", "--yes"), {
    code: 1,
    err: "aurochs: volume data has to be attached with its frontend disabled: somebody may be using it\n",
  });
  t.match(await aurochs("snapshot", "delete", "data", "one", "typo", "--yes"), { code: 4, err: "aurochs: snapshot of data: typo is not found\n" }); // prettier-ignore
  t.notMatch((await aurochs("snapshot", "list", "data")).out, /removed/, "none of them");
  t.match(await aurochs("snapshot", "delete", "data", "one", "--yes"), { code: 0, out: "one of data removed\n" }); // prettier-ignore
  t.equal(
    timeless((await aurochs("snapshot", "list", "data")).out).replace(/ +AGE/g, " AGE"),
    [
      "NAME AGE    SIZE   BY     PARENT   LABELS",
      "one AGE   4 KiB   user            of=test   removed",
      "volume-head AGE   8 KiB          one",
      "",
    ].join("\n"),
  );
  t.match(await aurochs("setting", "set", "replica-soft-anti-affinity", "true"), {
    code: 0,
    out: "replica-soft-anti-affinity is true\n",
  });
  t.match(
    (await aurochs("setting", "list", "--changed")).out,
    /^NAME.*\nreplica-soft-anti-affinity +true +false +scheduling/,
  );
  t.match(await aurochs("setting", "reset", "replica-soft-anti-affinity"), { code: 0 });
  t.match((await aurochs("setting", "list", "--changed", "--json")).out, /^\[\]$/m);
  t.match(await aurochs("job", "create", "daily", "--task", "snapshot", "--cron", "0 3 * * *", "--retain", "7", "--group", "default"), { code: 0 }); // prettier-ignore
  t.match(await aurochs("job", "assign", "data", "daily"), { code: 0, out: "data has group default and daily\n" }); // prettier-ignore
  t.equal(
    (await aurochs("job", "list")).out,
    [
      "NAME    TASK       CRON        RETAIN   CONCURRENCY   GROUPS    RUNS",
      "daily   snapshot   0 3 * * *        7            10   default      0",
      "",
    ].join("\n"),
  );
  const lines = follow("event", "list", "--volume", "data", "--watch", "--json");
  for (const name of ["data2", "data"])
    rig.events.record({ type: "Warning", reason: "Degraded", message: `volume ${name} became degraded`, source: "longhorn-volume-controller", object: { kind: "Volume", name, uid: "u" } }); // prettier-ignore
  t.match(JSON.parse(String((await lines.next()).value)), { type: "event", event: { reason: "Degraded", involvedObject: { name: "data" } } }); // prettier-ignore
});

t.test("a job keeps one unless it is told otherwise, and says when no volume has it", async (t) => {
  const { aurochs, store } = await startCliRig(t);
  t.strictSame(await aurochs("job", "create", "hourly", "--task", "snapshot", "--cron", "0 * * * *"), {
    code: 0,
    out: "job hourly is made; no volume has it yet: aurochs job assign VOLUME hourly\n",
    err: "",
  });
  t.match((await store.get("RecurringJob", "hourly"))?.spec, { retain: 1, groups: [] });
  const grouped = await aurochs("job", "create", "all", "--task", "snapshot", "--cron", "0 * * * *", "--group", "default"); // prettier-ignore
  t.match(grouped, { code: 0, out: "job all is made\n" });
});

t.test("what is misspelt after replica is no directory", async (t) => {
  const { aurochs } = await startCliRig(t);
  t.strictSame(await aurochs("replica", "ls"), {
    code: 2,
    out: "",
    err: "error: unknown command 'ls'\n(Did you mean list?)\nDirectories are served with --listen: aurochs replica --help\n",
  });
  t.match(await aurochs("replica", "./ls"), { code: 2, err: /required option '--listen <host:port>'/ });
  t.match((await aurochs("replica", "--help")).out, /^Usage: aurochs replica \[options\] <directory...>/);
  t.match((await aurochs("--help")).out.replace(/\s+/g, " "), "list and remove: copies of the storage system's volumes"); // prettier-ignore
});
