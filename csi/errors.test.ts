import { status } from "@grpc/grpc-js";
import t from "tap";
import { notFound, rpcErrorOf } from "./errors.js";
import { CommandError } from "./host/commands.js";

t.test("a program that failed has failed; of one that did not end in time nothing is known", (t) => {
  t.equal(rpcErrorOf(new CommandError(1, "mkfs.xfs /dev/sda: exited with 1")).code, status.INTERNAL);
  t.match(rpcErrorOf(new CommandError(-1, "mount /dev/sda: did not end within 30 s")), {
    code: status.ABORTED,
    message: "mount /dev/sda: did not end within 30 s",
  });
  t.equal(rpcErrorOf(notFound("volume")).code, status.NOT_FOUND);
  t.end();
});
