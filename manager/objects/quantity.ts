/** Amounts as Kubernetes writes them: "20Gi", "100M", "1.5e3". */

const BINARY: readonly string[] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

const QUANTITY = /^\+?(\d{1,30})(?:\.(\d{0,30}))?(?:([KMGTPE]i)|[eE]([+-]?\d{1,2})|([numkMGTPE]))?$/;

/** @returns the amount, rounded up to a whole number; null when the text is no amount, is negative, or too large for a number */
export function parseQuantity(text: string): number | null {
  const found = QUANTITY.exec(text.trim());
  if (found === null) return null;
  const [, whole = "", fraction = "", binary = "", exponent, decimal = ""] = found;
  const power = (exponent === undefined ? (DECIMAL[decimal] ?? 0) : Number(exponent)) - fraction.length;
  let numerator = BigInt(whole + fraction) << BigInt(10 * BINARY.indexOf(binary));
  let denominator = 1n;
  if (power >= 0) numerator *= 10n ** BigInt(power);
  else denominator = 10n ** BigInt(-power);
  const value = (numerator + denominator - 1n) / denominator;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}
