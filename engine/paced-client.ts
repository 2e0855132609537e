/** A client of one service whose caller has its own pace: a channel that failed to connect would back off for seconds by itself, and one
 * whose other end was unplugged, or has lost its power, is tried again for minutes. */
import { isExpired, isUnavailable } from "../proto/rpc-error.js";
import { unaryClient, type Calls, type Service } from "../proto/unary.js";
import { UNANSWERED_MS } from "./limits.js";

interface Channel<S extends Service> {
  calls: Calls<S>;
  close: () => void;
  /** ms, never going back */
  opened: number;
  /** something came back */
  answers: boolean;
}

export class PacedClient<S extends Service> {
  #channel: Channel<S> | null = null;

  /** @param address `host:port`; nothing is connected before the first call */
  constructor(
    private readonly service: S,
    readonly address: string,
  ) {}

  /** @throws {RpcError} */
  async call<T>(call: (calls: Calls<S>) => Promise<T>): Promise<T> {
    const channel = (this.#channel ??= this.#open());
    try {
      const reply = await call(channel.calls);
      channel.answers = true;
      return reply;
    } catch (error) {
      // Calls that are under way there go on.
      if (this.#channel === channel && isGone(channel, error)) this.close();
      throw error;
    }
  }

  close(): void {
    this.#channel?.close();
    this.#channel = null;
  }

  #open(): Channel<S> {
    return { ...unaryClient(this.service, this.address), opened: performance.now(), answers: false };
  }
}

/** Where nobody has ever answered the next connection is not better: each is kept until the other end has closed it, too. */
function isGone({ answers, opened }: Channel<Service>, error: unknown): boolean {
  if (isUnavailable(error)) return true;
  return isExpired(error) && (answers || performance.now() - opened >= UNANSWERED_MS);
}
