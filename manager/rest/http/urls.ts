/** URLs in replies: they begin as the client sees this server, which may be through proxies. */
import type { IncomingHttpHeaders } from "node:http";
import { pluralOf, type SchemaId } from "../schemas/index.js";

export class Urls {
  private constructor(
    /** what comes before /v1 */
    private readonly base: string,
    /** of this request, without its query */
    readonly current: string,
  ) {}

  /** @param path of the request, without its query */
  static of(headers: IncomingHttpHeaders, path: string): Urls {
    const told = requestUrl(headers["x-api-request-url"]);
    if (told !== null) {
      const at = told.search(/\/v1(\/|$)/);
      return new Urls((at < 0 ? told : told.slice(0, at)).replace(/\/$/, ""), told);
    }
    const base = `${protocol(headers)}://${host(headers)}`;
    return new Urls(base, `${base}${path}`);
  }

  get root(): string {
    return `${this.base}/v1`;
  }

  collection(type: SchemaId): string {
    return `${this.root}/${pluralOf(type).toLowerCase()}`;
  }

  resource(type: SchemaId, id: string): string {
    return id === "" ? this.current : `${this.collection(type)}/${encodeURIComponent(id)}`;
  }

  action(type: SchemaId, id: string, action: string): string {
    return `${this.resource(type, id)}?action=${action}`;
  }
}

function requestUrl(value: string | string[] | undefined): string | null {
  const text = first(value);
  if (text === "" || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.protocol === "http:" || url.protocol === "https:" ? `${url.origin}${url.pathname}` : null;
}

function protocol(headers: IncomingHttpHeaders): string {
  const isForwarded = forwardedHost(headers) !== "";
  return isForwarded && first(headers["x-forwarded-proto"]) === "https" ? "https" : "http";
}

function host(headers: IncomingHttpHeaders): string {
  const forwarded = forwardedHost(headers);
  if (forwarded === "") return plainHost(headers.host) || "localhost";
  const port = first(headers["x-forwarded-port"]);
  const isUsual = port === (protocol(headers) === "https" ? "443" : "80");
  return /^\d{1,5}$/.test(port) && !isUsual && !/:\d+$/.test(forwarded) ? `${forwarded}:${port}` : forwarded;
}

function forwardedHost(headers: IncomingHttpHeaders): string {
  return plainHost(first(headers["x-forwarded-host"]));
}

/** What cannot be a host is none: it comes back in links. */
function plainHost(text = ""): string {
  return /^[\w.:[\]-]+$/.test(text) ? text : "";
}

/** Each proxy adds its own at the end. */
function first(value: string | string[] | undefined): string {
  return ((Array.isArray(value) ? value[0] : value) ?? "").split(",")[0]?.trim() ?? "";
}
