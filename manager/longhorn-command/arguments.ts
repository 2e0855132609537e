/** Longhorn's command line: options as Go's `flag` package reads them, which may stand before and after the positional
 * arguments of a command. Pure. */

export type FlagKind = "string" | "strings" | "bool" | "int";

export interface Flag {
  name: string;
  /** further names, such as `h` of `help` */
  aliases?: readonly string[];
  kind: FlagKind;
  default?: string | number | boolean | readonly string[];
  usage?: string;
}

export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What was given, or the defaults. */
export class Options {
  readonly #values = new Map<string, string | number | boolean | string[]>();

  constructor(private readonly flags: readonly Flag[]) {}

  set(flag: Flag, text: string): void {
    this.#values.set(flag.name, this.#parse(flag, text));
  }

  #parse(flag: Flag, text: string): string | number | boolean | string[] {
    const invalid = (value: string, name = flag.name) =>
      new UsageError(`invalid ${value} "${text}" for flag -${name}: parse error`);
    switch (flag.kind) {
      case "string":
        return text;
      case "strings": {
        const earlier = this.#values.get(flag.name) as string[] | undefined;
        // The first one given is added to the default, as in Longhorn.
        return [...(earlier ?? (flag.default as string[] | undefined) ?? []), text];
      }
      case "bool": {
        const value = BOOLEANS.get(text);
        if (value === undefined) throw invalid("boolean value");
        return value;
      }
      case "int": {
        const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
        if (!Number.isSafeInteger(value)) throw invalid("value");
        return value;
      }
    }
  }

  #get(name: string, kind: FlagKind) {
    const flag = this.flags.find((one) => one.name === name);
    if (flag?.kind !== kind) throw new Error(`there is no ${kind} option ${name}`);
    return this.#values.get(name) ?? flag.default;
  }

  string(name: string): string {
    return (this.#get(name, "string") as string | undefined) ?? "";
  }

  strings(name: string): string[] {
    return [...((this.#get(name, "strings") as readonly string[] | undefined) ?? [])];
  }

  bool(name: string): boolean {
    return (this.#get(name, "bool") as boolean | undefined) ?? false;
  }

  int(name: string): number {
    return (this.#get(name, "int") as number | undefined) ?? 0;
  }
}

/** Go's strconv.ParseBool. */
const BOOLEANS = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false] as const),
]);

export interface Parsed {
  options: Options;
  args: string[];
}

/** @param where `before`: the first argument ends the options; `anywhere`: only `--` does
 * @throws {UsageError} */
export function parseArguments(
  flags: readonly Flag[],
  argv: readonly string[],
  where: "before" | "anywhere",
): Parsed {
  const options = new Options(flags);
  const args: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    if (arg === "--") {
      args.push(...argv.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      if (where === "before") {
        args.push(...argv.slice(i));
        break;
      }
      args.push(arg);
      continue;
    }
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg);
    if (match === null) throw new UsageError(`bad flag syntax: ${arg}`);
    const [, name = "", given] = match;
    const flag = flags.find((one) => one.name === name || one.aliases?.includes(name));
    if (flag === undefined) throw new UsageError(`flag provided but not defined: -${name}`);
    if (given !== undefined) options.set(flag, given);
    else if (flag.kind === "bool") options.set(flag, "true");
    else {
      i += 1;
      const value = argv[i];
      if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
      options.set(flag, value);
    }
  }
  return { options, args };
}
