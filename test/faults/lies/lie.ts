/** Ways in which something between engine and replica does not do what it says: bugs that the product does not have, for the
 * checkers to find. None of it is in the product's own code. */
import crc32c from "fast-crc32c";
import { Op, type Request, type Response } from "../../../proto/dataplane.js";

/** What a lie can do with a request. */
export interface Link {
  /** to the replica */
  forward(request: Request): void;
  /** to the engine */
  answer(response: Partial<Response>): void;
  /** below `n` */
  random(n: number): number;
}

export interface Lie {
  about: string;
  /** false: it is not one for the lie, and is forwarded */
  request?(request: Request, link: Link): boolean;
  /** changes the answer to `request` in place */
  response?(response: Response, request: Request, link: Link): void;
}

/** One in so many is meddled with: often enough for a scenario of seconds, rare enough not to be everywhere. */
const RARELY = 40;

const LATE_MS = 300;

function later(ms: number, what: () => void): void {
  setTimeout(what, ms);
}

function isRare(link: Link): boolean {
  return link.random(RARELY) === 0;
}

/** Other bytes under a checksum that is right for them. */
function corrupted(payload: Uint8Array, link: Link): { payload: Buffer; crc32c: number } {
  const bytes = Buffer.from(payload);
  const at = link.random(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  return { payload: bytes, crc32c: crc32c.calculate(bytes) };
}

const isWrite = ({ op }: Request): boolean => op === Op.OP_WRITE;

export const LIES = {
  "ack-early": {
    about: "a write is answered before the replica has got it",
    request(request, link) {
      if (!isWrite(request)) return false;
      link.answer({ id: request.id });
      later(LATE_MS, () => link.forward(request));
      return true;
    },
  },
  "reorder-writes": {
    about: "writes are answered at once and applied in another order",
    request(request, link) {
      if (!isWrite(request)) return false;
      link.answer({ id: request.id });
      later(link.random(100), () => link.forward(request));
      return true;
    },
  },
  "lose-write": {
    about: "some writes are answered and not done",
    request(request, link) {
      if (!isWrite(request) || !isRare(link)) return false;
      link.answer({ id: request.id });
      return true;
    },
  },
  "repeat-write": {
    about: "some writes are applied again a moment later",
    request(request, link) {
      if (!isWrite(request) || !isRare(link)) return false;
      link.forward(request);
      later(LATE_MS, () => link.forward(request));
      return true;
    },
  },
  "corrupt-write": {
    about: "a bit of some writes is flipped, and the checksum made right",
    request(request, link) {
      if (!isWrite(request) || !isRare(link)) return false;
      link.forward({ ...request, ...corrupted(request.payload, link) });
      return true;
    },
  },
  "shift-write": {
    about: "some writes go to the sector behind",
    request(request, link) {
      if (!isWrite(request) || !isRare(link)) return false;
      link.forward({ ...request, offset: request.offset + 512 });
      return true;
    },
  },
  "tear-write": {
    about: "of some writes only the first half is done",
    request(request, link) {
      const length = Math.floor(request.length / 1024) * 512;
      if (!isWrite(request) || length === 0 || !isRare(link)) return false;
      const payload = Buffer.from(request.payload.subarray(0, length));
      link.forward({ ...request, length, payload, crc32c: crc32c.calculate(payload) });
      return true;
    },
  },
  "lose-unmap": {
    about: "unmaps are answered and not done",
    request(request, link) {
      if (request.op !== Op.OP_UNMAP) return false;
      link.answer({ id: request.id });
      return true;
    },
  },
  "unmap-too-much": {
    about: "unmaps take the block behind with them",
    request(request, link) {
      if (request.op !== Op.OP_UNMAP) return false;
      link.forward({ ...request, length: request.length + 4096 });
      return true;
    },
  },
  "corrupt-read": {
    about: "a bit of some reads is flipped, and the checksum made right",
    response(response, { op }, link) {
      if (op === Op.OP_READ && isRare(link)) Object.assign(response, corrupted(response.payload, link));
    },
  },
  "zero-read": {
    about: "some reads give zeros",
    response(response, { op }, link) {
      if (op !== Op.OP_READ || !isRare(link)) return;
      response.payload = Buffer.alloc(response.payload.length);
      response.crc32c = crc32c.calculate(Buffer.from(response.payload));
    },
  },
  "skip-flush": {
    about: "flushes are answered and not done",
    request({ op, id }, link) {
      if (op !== Op.OP_FLUSH) return false;
      link.answer({ id });
      return true;
    },
  },
  "drop-fua": {
    about: "FUA is left out",
    request(request, link) {
      link.forward({ ...request, fua: false });
      return true;
    },
  },
  "flip-in-flight": {
    about: "a bit of some writes is flipped on the way: no bug, the checksum tells",
    request(request, link) {
      if (!isWrite(request) || !isRare(link)) return false;
      link.forward({ ...request, payload: corrupted(request.payload, link).payload });
      return true;
    },
  },
} as const satisfies Record<string, Lie>;

export type LieName = keyof typeof LIES;
