import t from "tap";
import { restartArguments } from "./engine-restart.js";

const FIRST = [
  ...["--engine-instance-name", "vol-e-0", "controller", "vol", "--frontend", "tgt-iscsi", "--upgrade"],
  ...[
    "--salvageRequested",
    "--size",
    "10",
    "--current-size=5",
    "--replica",
    "tcp://a:1",
    "-replica=tcp://b:1",
  ],
  ...[
    "--witness",
    "b:2",
    "--snapshot-max-count",
    "250",
    "--unmap-mark-snap-chain-removed",
    "--listen",
    ":10000",
  ],
];

t.test("an engine that never told how it is starts as it began, but salvages nothing again", (t) => {
  t.strictSame(
    restartArguments(FIRST, null),
    FIRST.filter((one) => one !== "--upgrade" && one !== "--salvageRequested"),
  );
  t.end();
});

t.test("replicas, size, frontend and settings are those that it had", (t) => {
  const last = {
    replicas: ["tcp://b:1", "tcp://c:1"],
    size: 20,
    frontend: "",
    unmapMarkSnapChainRemoved: false,
    snapshotMaxCount: 9,
    snapshotMaxSize: 1,
    witness: "c:2",
  };
  t.strictSame(restartArguments(FIRST, last), [
    ...["--engine-instance-name", "vol-e-0", "controller", "vol", "--listen", ":10000"],
    ...["--replica", "tcp://b:1", "--replica", "tcp://c:1", "--frontend", "", "--size", "20"],
    ...["--current-size", "20", "--snapshot-max-count", "9", "--snapshot-max-size", "1"],
    ...["--witness", "c:2"],
  ]);
  t.end();
});
