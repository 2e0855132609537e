/**
 * What the databases are asked to do, and what they have to remember: transactions that each move money between two accounts
 * and note it in a ledger. A transaction whose COMMIT returned is acknowledged; that is kept here, outside the volume.
 */
import { createHash } from "node:crypto";

const ACCOUNTS = 32;
const OPENING_BALANCE = 1_000_000;
const AMOUNT_MAX = 1_000;
/** Mostly small rows, now and then one that does not fit into a page. */
const PAYLOAD_MAX = 400;
const LARGE_PAYLOAD_MAX = 6_000;
const LARGE_ONE_IN = 20;
/** The ledger is closed when it is longer, so that a database that lives long stays small. */
const LEDGER_ROWS_MAX = 2_000;

const MIN_PRINTABLE = 0x61;
const LETTERS = 26;

/** A connection to the database. */
export interface Sql {
  /** @returns the rows, columns separated by `|`, once the last statement has returned */
  query(sql: string): Promise<string[]>;
}

export interface Findings {
  /** acknowledged transactions that are not there */
  lost: string[];
  /** anything else: rows that were never written, changed rows, sums that do not add up */
  wrong: string[];
}

export class Bank {
  /** checksums by transaction, of the present ledger */
  private readonly sent = new Map<number, string>();
  private readonly acknowledged = new Set<number>();
  private closed = 0;
  private last = 0;
  private total = 0;

  /** All acknowledged transactions so far. */
  get acknowledgedTotal(): number {
    return this.total;
  }

  static async open(sql: Sql): Promise<void> {
    const accounts = Array.from(
      { length: ACCOUNTS },
      (_, id) => `(${id}, ${OPENING_BALANCE}, ${OPENING_BALANCE})`,
    );
    await sql.query(
      "CREATE TABLE account (id INTEGER PRIMARY KEY, opening INTEGER NOT NULL, balance INTEGER NOT NULL);" +
        "CREATE TABLE ledger (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, destination INTEGER NOT NULL," +
        " amount INTEGER NOT NULL, payload TEXT NOT NULL, checksum TEXT NOT NULL UNIQUE);" +
        "CREATE INDEX ledger_payload ON ledger (substr(payload, 1, 32), amount);" +
        `INSERT INTO account VALUES ${accounts.join()};`,
    );
  }

  /** One transaction, to its end. @throws when the database is gone before it has acknowledged it */
  async transfer(sql: Sql, random: (below: number) => number): Promise<void> {
    const id = ++this.last;
    const source = random(ACCOUNTS);
    const destination = (source + 1 + random(ACCOUNTS - 1)) % ACCOUNTS;
    const amount = 1 + random(AMOUNT_MAX);
    const length = random(random(LARGE_ONE_IN) === 0 ? LARGE_PAYLOAD_MAX : PAYLOAD_MAX);
    const payload = Buffer.from(Uint8Array.from({ length }, () => MIN_PRINTABLE + random(LETTERS))).toString(
      "latin1",
    );
    const checksum = checksumOf([id, source, destination, amount, payload].join("|"));
    const move = (account: number, by: number): string =>
      `UPDATE account SET balance = balance + ${by} WHERE id = ${account};`;
    const moves = [move(source, -amount), move(destination, amount)];
    // Always the lower account first: writers at the same time do not lock each other out.
    if (destination < source) moves.reverse();
    this.sent.set(id, checksum);
    await sql.query(
      `BEGIN; ${moves.join(" ")} INSERT INTO ledger VALUES ` +
        `(${[id, source, destination, amount].join()}, '${payload}', '${checksum}'); COMMIT;`,
    );
    this.acknowledged.add(id);
    this.total++;
  }

  /** Reads everything; nobody else may write meanwhile. */
  async check(sql: Sql): Promise<Findings> {
    const rows = await sql.query(
      "SELECT id, source, destination, amount, payload, checksum FROM ledger ORDER BY id;",
    );
    const accounts = await sql.query("SELECT id, opening, balance FROM account ORDER BY id;");
    const findings: Findings = { lost: [], wrong: [] };
    const expected = new Map<number, number>();
    const present = new Set<number>();
    const add = (account: number, by: number): void => {
      expected.set(account, (expected.get(account) ?? 0) + by);
    };
    for (const row of rows) {
      const end = row.lastIndexOf("|");
      const [id = 0, source = 0, destination = 0, amount = 0] = row.split("|", 4).map(Number);
      if (this.sent.get(id) !== row.slice(end + 1) || checksumOf(row.slice(0, end)) !== this.sent.get(id))
        findings.wrong.push(`transaction ${id}: ${row.slice(0, 200)} is not what was written`);
      present.add(id);
      add(source, -amount);
      add(destination, amount);
    }
    for (const id of this.acknowledged)
      if (!present.has(id)) findings.lost.push(`transaction ${id} was acknowledged and is not there`);
    let sum = 0;
    for (const row of accounts) {
      const [id = 0, opening = 0, balance = 0] = row.split("|").map(Number);
      sum += balance;
      if (balance !== opening + (expected.get(id) ?? 0))
        findings.wrong.push(
          `account ${id} has ${balance}, the ledger says ${opening + (expected.get(id) ?? 0)}`,
        );
    }
    if (accounts.length !== ACCOUNTS || sum !== ACCOUNTS * OPENING_BALANCE)
      findings.wrong.push(`${accounts.length} accounts with ${sum} in all`);
    return findings;
  }

  /** Empties a long ledger, in one transaction. To be called after a check that found nothing. */
  async closeLedger(sql: Sql): Promise<void> {
    if (this.last - this.closed < LEDGER_ROWS_MAX) return;
    await sql.query("BEGIN; UPDATE account SET opening = balance; DELETE FROM ledger; COMMIT;");
    this.closed = this.last;
    this.sent.clear();
    this.acknowledged.clear();
  }
}

function checksumOf(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
