/** `HOST:PORT` with IPv6 hosts in brackets: the one form of addresses on the command line and in messages. */
export interface HostPort {
  /** without brackets */
  host: string;
  port: number;
}

/** @throws {RangeError} saying what is wrong with `text` */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not HOST:PORT (an IPv6 host needs brackets)`);
  const port = Number(match[3]);
  if (port > 65_535) throw new RangeError(`port ${port} in "${text}" is above 65535`);
  return { host: match[1] ?? match[2] ?? "", port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
