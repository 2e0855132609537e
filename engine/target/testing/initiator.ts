/** A small initiator over a real socket: what a test asks is one PDU, what it gets is the bytes that came. */
import { connect, type Socket } from "node:net";
import type { Portal } from "../discovery.js";
import { IQN, LUN } from "./rig.js";
import { cdbOf, loginAnswer, loginRequest, readText, request, textData, type LoginFields } from "./pdus.js";

export interface Pdu {
  bhs: Buffer;
  data: Buffer;
}

export interface CommandAnswer {
  status: number;
  /** key/asc/ascq, empty without sense data */
  sense: string;
  data: Buffer;
}

const NOP_IN = 0x20;

export const NAME = "iqn.1993-08.org.debian:01:test";

export class Initiator {
  #received = Buffer.alloc(0);
  readonly #pdus: Pdu[] = [];
  #wake: () => void = () => undefined;
  #ended = false;
  #cmdSn = 1;
  #itt = 0x100;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#parse();
      this.#wake();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on("error", () => undefined); // "close" follows
  }

  static async connect(portal: Portal): Promise<Initiator> {
    const socket = connect(portal.port, portal.host);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
    });
    return new Initiator(socket);
  }

  /** Connected, logged in, and told of the power on (or whatever is pending). */
  static async open(portal: Portal, name = NAME, isid = "00023d000001"): Promise<Initiator> {
    const initiator = await Initiator.connect(portal);
    const { status } = await initiator.login({ InitiatorName: name, TargetName: IQN }, { isid });
    if (status !== 0) throw new Error(`login status ${status.toString(16)}`);
    while ((await initiator.command("00")).status !== 0);
    return initiator;
  }

  #parse(): void {
    for (;;) {
      if (this.#received.length < 48) return;
      const length = this.#received.readUIntBE(5, 3);
      const end = 48 + Math.ceil(length / 4) * 4;
      if (this.#received.length < end) return;
      const bhs = this.#received.subarray(0, 48);
      if (bhs.readUInt8(0) === NOP_IN && bhs.readUInt32BE(20) !== 0xffff_ffff) this.#answerPing(bhs);
      else this.#pdus.push({ bhs, data: this.#received.subarray(48, 48 + length) });
      this.#received = this.#received.subarray(end);
    }
  }

  #answerPing(ping: Buffer): void {
    const lun = ping.readUInt16BE(8);
    const ttt = ping.readUInt32BE(20);
    this.send(request(0x40, 0x80, { lun, itt: 0xffff_ffff, cmdSn: this.#cmdSn, at20: ttt }));
  }

  send(bhs: Buffer, data: Buffer = Buffer.alloc(0)): void {
    bhs.writeUIntBE(data.length, 5, 3);
    this.socket.write(Buffer.concat([bhs, data, Buffer.alloc((4 - (data.length % 4)) % 4)]));
  }

  write(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** @returns the next PDU; null when the target has closed the connection */
  async next(): Promise<Pdu | null> {
    for (;;) {
      const pdu = this.#pdus.shift();
      if (pdu !== undefined) return pdu;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async expect(): Promise<Pdu> {
    const pdu = await this.next();
    if (pdu === null) throw new Error("the target closed the connection");
    return pdu;
  }

  /** One login request that asks to go straight to full feature phase. */
  async login(
    keys: Readonly<Record<string, string>>,
    fields: LoginFields = {},
  ): Promise<{ status: number; tsih: number; keys: Record<string, string> }> {
    this.send(
      loginRequest({ transit: true, currentStage: 1, nextStage: 3, cmdSn: this.#cmdSn, ...fields }),
      textData(keys),
    );
    const { bhs, data } = await this.expect();
    return { ...loginAnswer(bhs), keys: readText(data) };
  }

  /** Sends a command; data-out goes as immediate data. */
  startCommand(cdb: string, dataOut: Buffer | null = null, lun = LUN): void {
    const READ = 0x40;
    const WRITE = 0x20;
    const bhs = request(0x01, 0x80 | (dataOut === null ? READ : WRITE), {
      lun,
      itt: ++this.#itt,
      cmdSn: this.#cmdSn++,
    });
    bhs.writeUInt32BE(dataOut?.length ?? 4096, 20);
    cdbOf(cdb).copy(bhs, 32);
    this.send(bhs, dataOut ?? Buffer.alloc(0));
  }

  async command(cdb: string, dataOut: Buffer | null = null, lun = LUN): Promise<CommandAnswer> {
    this.startCommand(cdb, dataOut, lun);
    const parts: Buffer[] = [];
    for (;;) {
      const { bhs, data } = await this.expect();
      const opcode = bhs.readUInt8(0);
      if (opcode === 0x25) {
        parts.push(data);
        const STATUS = 0x01;
        if ((bhs.readUInt8(1) & STATUS) !== 0)
          return { status: bhs.readUInt8(3), sense: "", data: Buffer.concat(parts) };
      } else if (opcode === 0x21) {
        const sense = data.length < 16 ? "" : [data.readUInt8(4), data.readUInt8(14), data.readUInt8(15)].map((byte) => byte.toString(16)).join("/"); // prettier-ignore
        return { status: bhs.readUInt8(3), sense, data: Buffer.concat(parts) };
      } else {
        throw new Error(`opcode ${opcode.toString(16)} instead of a response`);
      }
    }
  }

  /** @returns the response code */
  async taskManagement(taskFunction: number, lun = LUN, tag = 0xffff_ffff): Promise<number> {
    this.send(request(0x42, 0x80 | taskFunction, { lun, itt: ++this.#itt, cmdSn: this.#cmdSn, at20: tag }));
    const { bhs } = await this.expect();
    if (bhs.readUInt8(0) !== 0x22) throw new Error("not a task management response");
    return bhs.readUInt8(2);
  }

  async text(keys: Readonly<Record<string, string>>): Promise<Buffer> {
    this.send(
      request(0x04, 0x80, { itt: ++this.#itt, cmdSn: this.#cmdSn++, at20: 0xffff_ffff }),
      textData(keys),
    );
    return (await this.expect()).data;
  }

  /** @returns the response code; the target closes the connection after it */
  async logout(reason = 0): Promise<number> {
    this.send(request(0x46, 0x80 | reason, { itt: ++this.#itt, cmdSn: this.#cmdSn }));
    const { bhs } = await this.expect();
    if (bhs.readUInt8(0) !== 0x26) throw new Error("not a logout response");
    return bhs.readUInt8(2);
  }

  close(): void {
    this.socket.destroy();
  }
}
