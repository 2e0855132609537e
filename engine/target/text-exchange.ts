/** Text Requests in full feature phase, RFC 7143 §11.10, §11.11: SendTargets, and a refusal of the rest. */
import { decodeTextRequest, encodeReject, encodeTextResponse, REJECT_REASON, RESERVED_TAG } from "./bhs.js";
import { sendTargets, type DiscoveryOptions } from "./discovery.js";
import { KEYS } from "./negotiation.js";
import { encodeText, TextCollector, TextError, type Pair } from "./text.js";

/** The target's tag of a text exchange that goes on: one at a time per connection, so any one value will do. */
const CONTINUATION_TAG = 1;

/** One connection's text exchange. */
export class TextExchange {
  #collector = new TextCollector();
  #open = false;

  constructor(
    private readonly options: DiscoveryOptions,
    private readonly session: "normal" | "discovery",
    private readonly local: string,
  ) {}

  /** @returns the PDU to answer with */
  answer(bhs: Buffer, data: Buffer): { bhs: Buffer; data: Buffer | null } {
    const request = decodeTextRequest(bhs);
    const reject = (reason: number): { bhs: Buffer; data: Buffer } => {
      this.#reset();
      return { bhs: encodeReject(reason), data: bhs };
    };
    const expected = this.#open ? [CONTINUATION_TAG, RESERVED_TAG] : [RESERVED_TAG];
    if (!expected.includes(request.ttt)) return reject(REJECT_REASON.INVALID_PDU_FIELD);
    // A request without our tag starts anew, whatever was under way.
    if (request.ttt === RESERVED_TAG) this.#reset();
    if (request.final && request.more) return reject(REJECT_REASON.PROTOCOL_ERROR);
    let pairs: Pair[] | null;
    try {
      pairs = this.#collector.add(data, request.more);
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      return reject(REJECT_REASON.PROTOCOL_ERROR);
    }
    this.#open = !request.final;
    const answers = pairs === null ? [] : pairs.flatMap((pair) => this.#answerKey(pair));
    const response = encodeTextResponse({
      final: request.final,
      lun: request.lun,
      itt: request.itt,
      ttt: request.final ? RESERVED_TAG : CONTINUATION_TAG,
    });
    return { bhs: response, data: encodeText(answers) };
  }

  #reset(): void {
    this.#collector = new TextCollector();
    this.#open = false;
  }

  #answerKey([name, value]: Pair): Pair[] {
    if (name === "SendTargets") {
      return sendTargets(this.options, value, this.session, this.local) ?? [[name, "Reject"]];
    }
    // What a session runs with was settled at its login.
    if (name === "InitiatorAlias") return [];
    return [[name, name in KEYS ? "Reject" : "NotUnderstood"]];
  }
}
