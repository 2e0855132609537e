import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import t from "tap";
import { AccessModeType } from "../proto/csi.js";
import { controllerHandlers } from "./controller.js";
import type { Driver } from "./driver.js";
import { attachmentName } from "./names.js";

const DRIVER = "driver.longhorn.io";

/** A manager with a volume that is attached to one node at a time, to `a` at first. */
class FakeManager {
  readonly #tickets = new Map([[attachmentName("vol", DRIVER, "a"), "a"]]);

  get(kind: string): Promise<object> {
    if (kind === "nodes") return Promise.resolve({});
    const [first] = this.#tickets.values();
    const tickets = [...this.#tickets].map(([id, nodeID]) => [
      id,
      { nodeID, satisfied: nodeID === first, conditions: [] },
    ]);
    return Promise.resolve({
      ...{ name: "vol", state: "attached", frontend: "blockdev", accessMode: "rwo", ready: true, size: "1" },
      volumeAttachment: { attachments: Object.fromEntries(tickets) as object },
      controllers: [{ hostId: first, running: true, endpoint: "/dev/longhorn/vol" }],
    });
  }

  act(_kind: string, _name: string, action: string, input: Record<string, string>): Promise<void> {
    const { attachmentID = "", hostId = "" } = input;
    if (action === "attach") this.#tickets.set(attachmentID, hostId);
    else this.#tickets.delete(attachmentID);
    return Promise.resolve();
  }
}

function handlers() {
  const driver = { name: DRIVER, node: "a", manager: new FakeManager(), log: pino({ level: "silent" }) };
  return controllerHandlers(driver as unknown as Driver);
}

const publication = (nodeId: string) => ({
  ...{ volumeId: "vol", nodeId, readonly: false, secrets: {}, volumeContext: {} },
  volumeCapability: {
    block: {},
    mount: null,
    accessMode: { mode: AccessModeType.SINGLE_NODE_WRITER },
  },
});
const unpublication = (nodeId: string) => ({ volumeId: "vol", nodeId, secrets: {} });

t.test(
  "a publication that waits for another node keeps nobody from unpublishing the volume there",
  async (t) => {
    const { controllerPublishVolume, controllerUnpublishVolume, deleteVolume } = handlers();
    const publish = (node: string) => controllerPublishVolume(publication(node), null);
    const unpublish = (node: string) => controllerUnpublishVolume(unpublication(node), null);
    const published = publish("b");
    await new Promise((resolve) => setImmediate(resolve));
    await t.rejects(publish("b"), { code: status.ABORTED });
    await t.rejects(unpublish("b"), { code: status.ABORTED });
    await t.rejects(deleteVolume({ volumeId: "vol", secrets: {} }, null), { code: status.ABORTED });
    await unpublish("a");
    t.match(await published, { publishContext: {} });
  },
);
