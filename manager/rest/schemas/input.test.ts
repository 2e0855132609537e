import fc from "fast-check";
import t from "tap";
import { ApiError } from "../http/errors.js";
import { parseBody } from "../http/body.js";
import { Router, type Route } from "../http/router.js";
import { checkInput, InvalidInput } from "./input.js";

const attach = (value: unknown) =>
  checkInput("attachInput", value, {
    uses: ["hostId", "attachmentID", "disableFrontend"],
    ignores: ["known"],
  });

t.test("keys count without regard to case; null is nothing; what is of no use is left alone", async (t) => {
  t.strictSame(
    attach({ HOSTID: "n", AttachmentID: "longhorn-ui", attachedBy: 7, known: {}, disableFrontend: null }),
    { hostId: "n", attachmentID: "longhorn-ui" },
  );
  t.strictSame(
    attach({ id: "x", type: "attachInput", links: {}, actions: null }),
    {},
    "a resource's own keys",
  );
});

t.test("any bytes are a value, or an error that says so", async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.string().map((text) => Buffer.from(text)),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        // prettier-ignore
        try {
        parseBody(bytes);
      } catch (error) {
        return error instanceof ApiError && error.code === "INVALID" && error.message.length < 500;
      }
        return true;
      },
    ),
  );
});

t.test(
  "any value is checked: what comes out has only fields that were asked for, of their types",
  async () => {
    const key = fc.oneof(fc.constantFrom("name", "size", "NumberOfReplicas", "diskSelector", "recurringJobSelector", "__proto__", "constructor"), fc.string()); // prettier-ignore
    const value = fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue()));
    fc.assert(
      fc.property(value, (given) => {
        const uses = ["name", "numberOfReplicas", "diskSelector", "recurringJobSelector"] as const;
        let checked;
        try {
          checked = checkInput("volume", given, { uses }) as Record<string, unknown>;
        } catch (error) {
          return error instanceof InvalidInput && error.message.startsWith("volume: ");
        }
        const { name = "", numberOfReplicas = 0, diskSelector = [] } = checked;
        return (
          Object.keys(checked).every((field) => (uses as readonly string[]).includes(field)) &&
          Object.getPrototypeOf(checked) === Object.prototype &&
          typeof name === "string" &&
          Number.isSafeInteger(numberOfReplicas) &&
          Array.isArray(diskSelector) &&
          diskSelector.every((one) => typeof one === "string")
        );
      }),
    );
  },
);

t.test("any path goes to one route or to none", async () => {
  const handle = () => Promise.reject(new Error("not called"));
  const route = (path: string, action?: string): Route => ({ method: "POST", path, handle, ...(action === undefined ? {} : { action }) }); // prettier-ignore
  const router = new Router([route("/v1/volumes"), route("/v1/volumes/{name}", "attach")]);
  fc.assert(
    fc.property(
      fc.oneof(fc.webPath(), fc.string(), fc.constant("/v1/volumes/a%2Fb")),
      fc.option(fc.string()),
      (path, action) => {
        // prettier-ignore
        const match = router.match("POST", path, action);
        return match.found !== "route" || match.params["name"] !== "";
      },
    ),
  );
});
