/**
 * Connections between processes: messages of one direction arrive in order, those of different connections in any. A
 * direction between two machines may be blocked: what is sent then arrives once it is not any more, or never.
 */
import { simulation, type Process } from "./simulation.js";

export interface Listener {
  process: Process;
  /** null: who connects waits */
  onConnection: ((end: End) => void) | null;
  backlog: End[];
}

export interface Host {
  name: string;
  up: boolean;
  /** how many times longer than usual messages take to it and from it */
  slowness: number;
}

/** What arrives at an end: a message, or the reason why there will be no other one. */
interface Arrival {
  message: unknown;
  isEnd: boolean;
}

/** One side of a connection. */
export class End {
  peer!: End;
  closed = false;
  onMessage: (message: unknown) => void = () => undefined;
  onClose: (reason: string) => void = () => undefined;
  /** when the last message to it arrives */
  arrival = 0;
  /** to it, while its direction is blocked */
  readonly stalled: Arrival[] = [];
  /** to be called once it is closed */
  forget: () => void = () => undefined;

  constructor(
    readonly network: Network,
    readonly process: Process,
  ) {}

  send(message: unknown): void {
    if (!this.closed) this.peer.deliver({ message, isEnd: false });
  }

  /** The peer hears of it after all that was sent before. */
  close(reason = "the peer closed the connection"): void {
    if (this.closed) return;
    this.closed = true;
    this.forget();
    this.peer.deliver({ message: reason, isEnd: true });
  }

  end(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.forget();
    this.onClose(reason);
  }

  deliver(arrival: Arrival): void {
    const { network, process, peer } = this;
    if (network.isBlocked(peer.process.machine, process.machine)) {
      this.stalled.push(arrival);
      return;
    }
    const { now } = simulation();
    this.arrival = Math.max(this.arrival, now + network.latency(peer.process.machine, process.machine));
    simulation().after(this.arrival - now, process, () => {
      if (this.closed) return;
      if (arrival.isEnd) this.end(arrival.message as string);
      else this.onMessage(arrival.message);
    });
  }

  release(): void {
    for (const arrival of this.stalled.splice(0)) this.deliver(arrival);
  }
}

interface Connecting {
  from: Process;
  host: string;
  port: number;
  onOpen: (end: End) => void;
  onRefused: (reason: string) => void;
}

export class Network {
  readonly hosts = new Map<string, Host>();
  private readonly blocked = new Set<string>();
  private readonly listeners = new Map<string, Listener>();
  private ends: End[] = [];
  /** to machines that are down or cannot be reached */
  private waiting: Connecting[] = [];
  /** a payload arrives damaged with this probability */
  damage = 0;
  /** a call of an engine arrives a second time with this probability */
  repetition = 0;

  latency(from: string, to: string): number {
    if (from === to) return simulation().random.between(0.02, 0.1);
    const slowness = Math.max(this.hosts.get(from)?.slowness ?? 1, this.hosts.get(to)?.slowness ?? 1);
    return simulation().random.between(0.1, 1) * slowness;
  }

  isBlocked(from: string, to: string): boolean {
    return this.blocked.size > 0 && this.blocked.has(`${from}>${to}`);
  }

  block(from: string, to: string): void {
    this.blocked.add(`${from}>${to}`);
  }

  unblock(from: string, to: string): void {
    this.blocked.delete(`${from}>${to}`);
    for (const end of this.ends) if (end.stalled.length > 0) end.release();
    this.connectWaiting();
  }

  listen(process: Process, port: number, onConnection: Listener["onConnection"]): Listener {
    const key = `${process.machine}:${port}`;
    const listener = { process, onConnection, backlog: [] };
    this.listeners.set(key, listener);
    process.onDeath(() => {
      if (this.listeners.get(key) === listener) this.listeners.delete(key);
    });
    return listener;
  }

  unlisten(listener: Listener): void {
    for (const [key, other] of this.listeners) if (other === listener) this.listeners.delete(key);
    for (const end of listener.backlog) end.close();
  }

  connect(connecting: Connecting): void {
    const { from, host } = connecting;
    const { machine } = from;
    const isUp = this.hosts.get(host)?.up ?? false;
    if (!isUp || this.isBlocked(machine, host) || this.isBlocked(host, machine))
      this.waiting.push(connecting);
    else simulation().after(this.latency(machine, host), null, () => this.arrive(connecting));
  }

  private arrive(connecting: Connecting): void {
    const { from, host, port, onOpen, onRefused } = connecting;
    if (!from.alive) return;
    const delay = this.latency(host, from.machine);
    const listener = this.listeners.get(`${host}:${port}`);
    if (listener === undefined || !listener.process.alive) {
      simulation().after(delay, from, () => onRefused(`connect ECONNREFUSED ${host}:${port}`));
      return;
    }
    const near = new End(this, from);
    const far = new End(this, listener.process);
    near.peer = far;
    far.peer = near;
    this.ends.push(near, far);
    for (const end of [near, far]) end.forget = end.process.onDeath(() => this.processDied(end));
    simulation().after(0, listener.process, () => {
      if (listener.onConnection === null) listener.backlog.push(far);
      else listener.onConnection(far);
    });
    near.arrival = simulation().now + delay;
    simulation().after(delay, from, () => {
      if (near.closed) onRefused(`read ECONNRESET ${host}:${port}`);
      else onOpen(near);
    });
  }

  private connectWaiting(): void {
    for (const connecting of this.waiting.splice(0)) this.connect(connecting);
  }

  private processDied(end: End): void {
    // A machine that lost its power says nothing.
    if (this.hosts.get(end.process.machine)?.up === true) end.close("connection reset by peer");
  }

  /** Connections between two machines end on both sides, at whatever moment each side learns of it. */
  breakBetween(a: string, b: string): void {
    for (const end of this.ends) {
      const ends = [end.process.machine, end.peer.process.machine];
      if (end.closed || !ends.includes(a) || !ends.includes(b)) continue;
      simulation().after(simulation().random.between(0, 5), end.process, () => end.end("connection reset"));
    }
    this.forgetClosed();
  }

  powerOn(machine: string): void {
    const host = this.hosts.get(machine);
    if (host !== undefined) host.up = true;
    for (const end of this.ends) {
      if (end.closed || end.process.alive || end.process.machine !== machine) continue;
      const { peer } = end;
      simulation().after(simulation().random.between(0, 200), peer.process, () =>
        peer.end("connection reset by peer"),
      );
    }
    this.connectWaiting();
    this.forgetClosed();
  }

  private forgetClosed(): void {
    this.ends = this.ends.filter((end) => !end.closed);
  }
}

let current: Network | null = null;

/** From here on processes use this one. */
export function beginNetwork(): Network {
  current = new Network();
  return current;
}

export function network(): Network {
  if (current === null) throw new Error("there is no network");
  return current;
}
