/** CRC-64 as Longhorn's checksums have it: ISO 3309's polynomial, reflected, all ones before and inverted after. */

// 0xd800000000000000, the reflected polynomial, in two halves.
const POLYNOMIAL_HIGH = 0xd8000000;

const HIGH = new Uint32Array(256);
const LOW = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let [high, low] = [0, i];
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = ((low >>> 1) | (high << 31)) >>> 0;
    high = (high >>> 1) ^ (carry === 1 ? POLYNOMIAL_HIGH : 0);
  }
  HIGH[i] = high >>> 0;
  LOW[i] = low;
}

export class Crc64 {
  private high = 0xffffffff;
  private low = 0xffffffff;

  update(data: Uint8Array): void {
    let { high, low } = this;
    for (const byte of data) {
      const index = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (LOW[index] ?? 0);
      high = (high >>> 8) ^ (HIGH[index] ?? 0);
    }
    [this.high, this.low] = [high >>> 0, low >>> 0];
  }

  /** As many zeros, by squaring the step of one of them. */
  zeros(count: number): void {
    let state = (BigInt(this.high) << 32n) | BigInt(this.low);
    for (let left = count, power = 0; left > 0; left = Math.floor(left / 2), power++) {
      if (left % 2 === 1) state = apply(stepOfZeros(power), state);
    }
    this.high = Number(state >> 32n);
    this.low = Number(state & 0xffffffffn);
  }

  /** 16 hexadecimal digits */
  digest(): string {
    return hex(~this.high) + hex(~this.low);
  }
}

const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");

/** What becomes of each bit of the state: a matrix over GF(2), by columns. */
type Step = readonly bigint[];

const steps: Step[] = [];

/** The step over 2^power zeros. */
function stepOfZeros(power: number): Step {
  const known = steps[power];
  if (known !== undefined) return known;
  const step: Step =
    power === 0
      ? Array.from({ length: 64 }, (_, bit) => overOneZero(1n << BigInt(bit)))
      : stepOfZeros(power - 1).map((column) => apply(stepOfZeros(power - 1), column));
  return (steps[power] = step);
}

function overOneZero(state: bigint): bigint {
  const index = Number(state & 0xffn);
  return (state >> 8n) ^ ((BigInt(HIGH[index] ?? 0) << 32n) | BigInt(LOW[index] ?? 0));
}

function apply(step: Step, state: bigint): bigint {
  let result = 0n;
  for (let bit = 0; state > 0n; bit++, state >>= 1n) {
    if ((state & 1n) === 1n) result ^= step[bit] ?? 0n;
  }
  return result;
}
