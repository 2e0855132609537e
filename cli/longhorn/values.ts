/** Values on Longhorn's command line. Each parser throws an Error with Longhorn's text. */

const SIZE = /^(\d+(?:\.\d+)*) ?([kmgtp])?i?b?$/i;
const POWER_OF_SUFFIX: Record<string, number> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** @returns bytes: plain, or a number with k, m, g, t or p, then `i` and `b` if you like, in any case; base 1024 */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  const bytes =
    match === null
      ? NaN
      : Math.floor(Number(match[1]) * 1024 ** (POWER_OF_SUFFIX[(match[2] ?? "").toLowerCase()] ?? 0));
  if (!Number.isSafeInteger(bytes)) throw new Error(`invalid size: '${text}'`);
  return bytes;
}

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const VOLUME_NAME_CHARS_MAX = 64;

export function isVolumeName(text: string): boolean {
  return text.length <= VOLUME_NAME_CHARS_MAX && VOLUME_NAME.test(text);
}

/** A Kubernetes qualified name: an optional DNS name and a slash before 1 to 63 characters. */
const LABEL_KEY =
  /^(?:([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_PREFIX_CHARS_MAX = 253;

export function parseLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const separator = label.indexOf("=");
      if (separator < 0) throw new Error(`invalid label not in <key>=<value> format ${label}`);
      const key = label.slice(0, separator);
      const value = label.slice(separator + 1);
      const match = LABEL_KEY.exec(key);
      if (match === null || (match[1] ?? "").length > LABEL_PREFIX_CHARS_MAX)
        throw new Error(`at least one error encountered while validating label ${label} with key ${key}`);
      if (value === "") throw new Error(`invalid empty value for label with key ${key}`);
      return [key, value];
    }),
  );
}

/** A backup URL may have its ampersands as JSON's escape for them. */
export function unescapeUrl(url: string): string {
  return url.replaceAll("\\u0026", "&").replaceAll("u0026", "&");
}
