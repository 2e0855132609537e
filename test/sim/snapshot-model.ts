/**
 * What snapshots may hold: of each sector the values that it may have had at some moment while the snapshot was being taken.
 * One that was acknowledged is there, durably; of one whose taking was broken off nobody knows.
 */

// taking --acknowledged--> taken     taking --failed, and nothing is under way any more--> perhaps     any --remove--> removed
type State = "taking" | "taken" | "perhaps" | "removed";

export interface Snapshot {
  name: string;
  state: State;
  /** by sector, each value once; one that is not there was never written */
  values: Map<number, number[]>;
}

export class SnapshotModel {
  private readonly all = new Map<string, Snapshot>();

  begin(name: string, values: Map<number, number[]>): void {
    this.all.set(name, { name, state: "taking", values });
  }

  private find(name: string): Snapshot {
    const found = this.all.get(name);
    if (found === undefined) throw new Error(`there is no snapshot ${name}`);
    return found;
  }

  /** A write that begins while one is being taken may be in it. */
  written({ sector, count, value }: { sector: number; count: number; value: number }): void {
    for (const { state, values } of this.all.values()) {
      if (state !== "taking") continue;
      for (let at = sector; at < sector + count; at++) {
        const known = values.get(at);
        if (known === undefined) values.set(at, value === 0 ? [0] : [0, value]);
        else if (!known.includes(value)) known.push(value);
      }
    }
  }

  isKept(name: string): boolean {
    const state = this.all.get(name)?.state;
    return state !== undefined && state !== "removed";
  }

  /** @param certain it was acknowledged; else it may be there or not, and is not taken any more */
  end(name: string, certain: boolean): void {
    const snapshot = this.find(name);
    if (snapshot.state === "taking") snapshot.state = certain ? "taken" : "perhaps";
  }

  remove(name: string): void {
    this.find(name).state = "removed";
  }

  /** Whether `losePower` changes any. */
  get mayLose(): boolean {
    return [...this.all.values()].some(({ state }) => state === "taking" || state === "perhaps");
  }

  /** One that was not acknowledged may hold less than what was written before. */
  losePower(sector: number, values: readonly number[]): void {
    for (const snapshot of this.all.values()) {
      if (snapshot.state !== "taking" && snapshot.state !== "perhaps") continue;
      const known = snapshot.values.get(sector);
      if (known !== undefined) for (const value of values) if (!known.includes(value)) known.push(value);
    }
  }

  valuesOf(name: string): ReadonlyMap<number, readonly number[]> {
    return this.find(name).values;
  }

  mayHold({ values }: Snapshot, sector: number, value: number): boolean {
    return values.get(sector)?.includes(value) ?? value === 0;
  }

  /** That are or may be there, in the order in which they were taken. */
  kept(): Snapshot[] {
    return [...this.all.values()].filter(({ state }) => state !== "removed");
  }

  get isTaking(): boolean {
    return [...this.all.values()].some(({ state }) => state === "taking");
  }

  /** To revert to. */
  taken(): string[] {
    return [...this.all.values()].filter(({ state }) => state === "taken").map(({ name }) => name);
  }
}
