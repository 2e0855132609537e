/** Values on Longhorn's command line. Each parser throws an Error with Longhorn's text. */

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const VOLUME_NAME_CHARS_MAX = 64;

export function isVolumeName(text: string): boolean {
  return text.length <= VOLUME_NAME_CHARS_MAX && VOLUME_NAME.test(text);
}

/** The name in a Kubernetes qualified name, which may have a DNS subdomain and a slash before it. */
const LABEL_NAME = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_NAME_CHARS_MAX = 63;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const DNS_SUBDOMAIN_CHARS_MAX = 253;

/** @returns what is wrong with a label's key, in the words of Kubernetes; null: nothing */
function faultOfKey(key: string): string | null {
  const [name = "", prefix, ...others] = key.split("/").reverse();
  if (others.length > 0)
    return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"; // prettier-ignore
  if (prefix === "") return "prefix part must be non-empty";
  if (prefix !== undefined && prefix.length > DNS_SUBDOMAIN_CHARS_MAX)
    return `prefix part must be no more than ${DNS_SUBDOMAIN_CHARS_MAX} characters`;
  if (prefix !== undefined && !DNS_SUBDOMAIN.test(prefix))
    return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"; // prettier-ignore
  if (name === "") return "name part must be non-empty";
  if (name.length > LABEL_NAME_CHARS_MAX) return `name part must be no more than ${LABEL_NAME_CHARS_MAX} characters`; // prettier-ignore
  if (!LABEL_NAME.test(name))
    return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"; // prettier-ignore
  return null;
}

export function parseLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const separator = label.indexOf("=");
      if (separator < 0) throw new Error(`invalid label not in <key>=<value> format ${label}`);
      const key = label.slice(0, separator);
      const value = label.slice(separator + 1);
      const fault = faultOfKey(key);
      if (fault !== null) throw new Error(`invalid key ${key} for label: ${fault}`);
      if (value === "") throw new Error(`invalid empty value for label with key ${key}`);
      return [key, value];
    }),
  );
}

/** A backup URL may have its ampersands as JSON's escape for them. */
export function unescapeUrl(url: string): string {
  return url.replaceAll("\\u0026", "&").replaceAll("u0026", "&");
}
