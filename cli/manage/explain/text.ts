/** An explanation as paragraphs. Pure. */
import type { Explanation } from "./explain.js";
import type { Finding } from "./facts.js";

/** @param columns that a line may have */
export function explanationText({ summary, findings, warnings }: Explanation, columns: number): string {
  const paragraphs = [
    wrap(summary, "", columns),
    ...findings.map((finding, i) => findingText(finding, `${i + 1}. `, columns)),
    ...(warnings.length === 0 ? [] : [["Warnings so far, the latest last:", ...warnings.flatMap((text) => wrap(text, "  - ", columns))]]), // prettier-ignore
  ];
  return paragraphs.map((lines) => lines.map((line) => `${line}\n`).join("")).join("\n");
}

function findingText({ what, evidence, next }: Finding, number: string, columns: number): string[] {
  return [
    ...wrap(what, number, columns),
    ...evidence.flatMap((text) => wrap(text, "   - ", columns)),
    ...next.flatMap((text, i) => wrap(text, i === 0 ? "   Next: " : "   Then: ", columns)),
  ];
}

/** @param start of the first line; the others are indented as far. Words are not cut. */
function wrap(text: string, start: string, columns: number): string[] {
  const lines: string[] = [];
  let line = start;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = " ".repeat(start.length);
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
