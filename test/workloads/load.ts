/** Writers that transfer money until they are stopped or their database dies. */
import type { Bank } from "./bank.js";
import type { Database } from "./database.js";
import type { Random } from "./nodes.js";
import type { SqlClient } from "./sql-client.js";

export class Load {
  private stopping = false;
  private readonly errors: Error[] = [];
  private readonly writers: Promise<void>[];

  private constructor(
    private readonly bank: Bank,
    private readonly clients: SqlClient[],
    random: Random,
  ) {
    this.writers = clients.map((client) => this.write(client, random));
  }

  static async start(bank: Bank, database: Database, random: Random): Promise<Load> {
    const clients: SqlClient[] = [];
    for (let count = 0; count < database.writers; count++) clients.push(await database.connect());
    return new Load(bank, clients, random);
  }

  /** Errors that a database answered so far. */
  get failures(): string[] {
    return this.errors.map(({ message }) => message);
  }

  /** Lets the transactions under way come to their end. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.writers);
    for (const client of this.clients) await client.end();
  }

  /** After the database was killed: all acknowledgements have arrived. */
  async ended(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.writers);
  }

  private async write(client: SqlClient, random: Random): Promise<void> {
    try {
      while (!this.stopping) await this.bank.transfer(client, random);
    } catch (error) {
      this.errors.push(error as Error);
    }
  }
}
