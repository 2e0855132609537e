/** Where commands write to and ask. Colours and redrawing are for terminals alone. */

export type Tone = "good" | "careful" | "bad";

const COLOURS: Readonly<Record<Tone, string>> = { good: "32", careful: "33", bad: "31" };

export class Terminal {
  out(text: string): void {
    process.stdout.write(text);
  }

  /** Of progress, and of what is no result. */
  err(text: string): void {
    process.stderr.write(text);
  }

  readonly isOutTerminal = process.stdout.isTTY;
  readonly isErrTerminal = process.stderr.isTTY;
  readonly hasColours = process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "";

  /** of what is printed */
  get columns(): number {
    return (process.stdout.isTTY && process.stdout.columns) || COLUMNS_DEFAULT;
  }

  /** of progress */
  get errColumns(): number {
    return (process.stderr.isTTY && process.stderr.columns) || COLUMNS_DEFAULT;
  }

  paint = (text: string, tone: Tone | null): string =>
    tone !== null && this.hasColours ? `\x1b[${COLOURS[tone]}m${text}\x1b[0m` : text;

  /** In the place of what was shown before, as far as it fits. Where that is no terminal: after it. */
  redraw(text: string, isFirst: boolean): void {
    if (!this.isOutTerminal) {
      this.out(isFirst ? text : `\n${text}`);
      return;
    }
    const rows = process.stdout.rows || ROWS_DEFAULT;
    const lines = text
      .trimEnd()
      .split("\n")
      .slice(0, rows - 1);
    this.out(`\x1b[H\x1b[J${lines.join("\n")}\n`);
  }

  /** @returns null when nobody can be asked */
  async ask(question: string): Promise<string | null> {
    if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
    const { createInterface } = await import("node:readline/promises");
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await prompt.question(question);
    } finally {
      prompt.close();
    }
  }
}

/** Of text that no window bounds, or one that does not tell its size. */
const COLUMNS_DEFAULT = 100;
const ROWS_DEFAULT = 24;

/** Who reads on may not want more (`aurochs event list | head`): that is no error. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}
