/** What all commands that speak to the manager have in common: the connection, what they are told and how they end. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { RestClient } from "../../rest-client/client.js";
import { RestError, UnreachableError } from "../../rest-client/errors.js";
import { parseSecretFile } from "../flags.js";
import { MANAGE_EXIT, ManageError, type ManageExit } from "./exit-codes.js";
import { endWithReader, Terminal } from "./terminal.js";

/** Where the manager listens unless it is told otherwise. */
export const URL_DEFAULT = "http://127.0.0.1:9500";

interface ConnectionFlags {
  url: string;
  tokenFile?: string;
}

export interface JsonFlag {
  json?: true;
}

export interface WatchFlags extends JsonFlag {
  watch?: true;
}

export interface YesFlag {
  yes?: true;
}

export interface WaitFlags {
  wait?: true;
  /** ms */
  timeout?: number;
}

export interface Call<Flags> {
  client: RestClient;
  flags: Flags;
  terminal: Terminal;
}

const EXIT_CODES = Object.values(MANAGE_EXIT)
  .map(({ code, meaning }) => `  ${code}  ${meaning}`)
  .join("\n");

/** A command with the flags of the connection, for itself and for what is below it. */
export function withConnection(command: Command): Command {
  endWithReader();
  return command
    .addOption(
      new Option("--url <url>", "where the manager's REST API is")
        .argParser(parseUrl)
        .env("AUROCHS_URL")
        .default(URL_DEFAULT),
    )
    .option(
      "--token-file <file>",
      "holds the token that the manager asks for (env: AUROCHS_TOKEN, the token)",
    )
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("afterAll", `\nExit codes:\n${EXIT_CODES}`);
}

function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new InvalidArgumentError("not a URL of http or https, as http://10.0.0.5:9500");
  return text;
}

export function json(command: Command): Command {
  return command.option("--json", "as the API has it, for scripts");
}

export function watched(command: Command): Command {
  return json(command).option("--watch", "again whenever it has changed; with --json, a line each");
}

export function destructive(command: Command): Command {
  return command.option("--yes", "do not ask");
}

export function waiting(command: Command): Command {
  return command
    .option("--wait", "show how it goes, and end when it is done or cannot be")
    .addOption(timeout().implies({ wait: true }));
}

/** That it waits is what the command is for. */
export function alwaysWaiting(command: Command): Command {
  return command.addOption(timeout());
}

function timeout(): Option {
  return new Option("--timeout <seconds>", "wait no longer than that").argParser(parseSeconds);
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 1e7)) throw new InvalidArgumentError("not a number of seconds");
  return seconds * 1_000;
}

/** What commander calls. Errors end as a message and an exit code. */
export function action<Flags, Operands extends unknown[] = []>(
  act: (call: Call<Flags>, ...operands: Operands) => Promise<void>,
): (...given: [...Operands, flags: object, command: Command]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const operands = given.slice(0, -2) as unknown as Operands;
    const terminal = new Terminal();
    try {
      const flags = command.optsWithGlobals<Flags & ConnectionFlags>();
      await act({ client: connect(flags), flags, terminal }, ...operands);
    } catch (error) {
      const { exit, message } = endOf(error);
      terminal.err(`aurochs: ${message}\n`);
      process.exitCode = MANAGE_EXIT[exit].code;
    }
  };
}

export function connect({ url, tokenFile }: ConnectionFlags, timeoutMs?: number): RestClient {
  return new RestClient({
    url,
    token: readToken(tokenFile),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

function readToken(file: string | undefined): string | null {
  if (file === undefined) return process.env["AUROCHS_TOKEN"] ?? null;
  try {
    return parseSecretFile(file);
  } catch (error) {
    throw new ManageError("USAGE", `--token-file: ${(error as Error).message}`);
  }
}

function endOf(error: unknown): { exit: Exclude<ManageExit, "OK">; message: string } {
  if (error instanceof ManageError) return { exit: error.exit, message: error.message };
  if (error instanceof UnreachableError)
    return {
      exit: "UNREACHABLE",
      message: `${error.message}\nStart it, or name the one that you mean by --url or AUROCHS_URL.`,
    };
  if (error instanceof RestError && error.status === 401)
    return { exit: "FAILED", message: `${error.message}\nGive it by --token-file or AUROCHS_TOKEN.` };
  if (error instanceof RestError)
    return { exit: error.status === 404 ? "NOT_FOUND" : "FAILED", message: error.message };
  return { exit: "FAILED", message: error instanceof Error ? error.message : String(error) };
}

/** Goes on only if somebody says that it shall be done.
 * @param what is lost, as a sentence */
export async function confirm({ flags, terminal }: Call<YesFlag>, what: string): Promise<void> {
  if (flags.yes === true) return;
  const answer = await terminal.ask(`${what}\nGo on? [y/N] `);
  if (answer === null)
    throw new ManageError("USAGE", `${what}\nNobody can be asked here: --yes says that it shall be done.`);
  if (!/^(y|yes)$/i.test(answer.trim())) throw new ManageError("DECLINED", "nothing was done");
}

export function missing(what: string, name: string): ManageError {
  return new ManageError("NOT_FOUND", `${what} ${name} is not found`);
}
