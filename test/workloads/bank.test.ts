/** The bank has to notice, or what the power cuts prove is nothing. */
import t from "tap";
import { numbers } from "../tools/random.js";
import { Bank, type Sql } from "./bank.js";

const ROW = /INSERT INTO ledger VALUES \((\d+),(\d+),(\d+),(\d+), '([a-z]*)', '([0-9a-f]+)'\)/;
const ACCOUNT = /\((\d+), (\d+), (\d+)\)/g;

/** As much of a database as the bank needs. */
class Tables implements Sql {
  ledger: string[] = [];
  accounts: { id: number; opening: number; balance: number }[] = [];
  /** commits, and dies before it can say so */
  dying = false;

  async query(sql: string): Promise<string[]> {
    if (sql.startsWith("SELECT id, source")) return this.ledger;
    if (sql.startsWith("SELECT id, opening"))
      return this.accounts.map(({ id, opening, balance }) => `${id}|${opening}|${balance}`);
    for (const [, id, opening, balance] of sql.matchAll(ACCOUNT))
      this.accounts.push({ id: Number(id), opening: Number(opening), balance: Number(balance) });
    const [, ...row] = ROW.exec(sql) ?? [];
    if (row.length > 0) this.ledger.push(row.join("|"));
    for (const [, by, id] of sql.matchAll(/balance \+ (-?\d+) WHERE id = (\d+)/g))
      for (const account of this.accounts) if (account.id === Number(id)) account.balance += Number(by);
    if (this.dying) throw new Error("gone");
    return [];
  }
}

const TRANSACTIONS = 20;

async function openBank(): Promise<{ bank: Bank; tables: Tables }> {
  const bank = new Bank();
  const tables = new Tables();
  await Bank.open(tables);
  const random = numbers(1);
  for (let count = 0; count < TRANSACTIONS; count++) await bank.transfer(tables, random);
  return { bank, tables };
}

t.test("all is there: nothing is found", async (t) => {
  const { bank, tables } = await openBank();
  t.equal(bank.acknowledgedTotal, TRANSACTIONS);
  t.same(await bank.check(tables), { lost: [], wrong: [] });
});

t.test("a transaction that was not acknowledged may be there or not", async (t) => {
  const { bank, tables } = await openBank();
  const before = { ledger: [...tables.ledger], accounts: tables.accounts.map((account) => ({ ...account })) };
  tables.dying = true;
  await t.rejects(bank.transfer(tables, numbers(2)));
  t.same(await bank.check(tables), { lost: [], wrong: [] });
  Object.assign(tables, before);
  t.same(await bank.check(tables), { lost: [], wrong: [] });
});

t.test("a lost transaction is found, also where all of it is lost", async (t) => {
  const { bank, tables } = await openBank();
  const [, source = 0, destination = 0, amount = 0] = tables.ledger.pop()?.split("|").map(Number) ?? [];
  for (const account of tables.accounts) {
    if (account.id === source) account.balance += amount;
    if (account.id === destination) account.balance -= amount;
  }
  const { lost, wrong } = await bank.check(tables);
  t.equal(lost.length, 1);
  t.same(wrong, []);
});

t.test("half a transaction, a changed row and a row of nobody are found", async (t) => {
  for (const damage of [
    (tables: Tables) => tables.accounts.forEach((account) => (account.balance += account.id === 3 ? 1 : 0)),
    (tables: Tables) => tables.accounts.pop(),
    (tables: Tables) => (tables.ledger[5] = tables.ledger[5]?.replace(/[a-z]/, "!") ?? ""),
    (tables: Tables) => tables.ledger.push("99|1|2|0|a|b"),
  ]) {
    const { bank, tables } = await openBank();
    damage(tables);
    const { wrong } = await bank.check(tables);
    t.ok(wrong.length > 0, wrong.join("; "));
  }
});
