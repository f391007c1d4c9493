import type { Call, WriteCall } from "../call.js";
import { Problem } from "../problem.js";
import { randomText, type Sender, type Transport, type Wanted } from "../transport.js";

/**
 * Reads and writes of documents. Every write has an idempotency key, so that a retry takes effect once. Every read
 * sends the mark of the client's newest write, so that the answer contains this write, whichever process answers.
 * @internal
 */
export class DataRequests {
  readonly #newest: { mark?: string };

  constructor(
    readonly transport: Transport,
    readonly sender?: Sender,
    newest: { mark?: string } = {},
  ) {
    this.#newest = newest;
  }

  /** The mark of the newest write, or of the newest state that an answer has shown. */
  get seq(): string | undefined {
    return this.#newest.mark;
  }

  /** Returns requests that all act for one user: the user of `sender`, or else the user of the first request. */
  of(sender: Sender): DataRequests {
    return new DataRequests(this.transport, this.sender ?? sender, this.#newest);
  }

  async read<T>(wanted: Wanted, call?: Call): Promise<T> {
    return this.of({}).#read(wanted, call);
  }

  async #read<T>(wanted: Wanted, call: Call = {}, again = true): Promise<T> {
    const asked = this.seq;
    const headers: Record<string, string> = asked ? { "X-Bunbase-At-Least": asked } : {};
    try {
      return await this.#sent({ ...wanted, headers, repeatable: true, filters: true }, call);
    } catch (problem) {
      if (!again || !Problem.is(problem, "not_yet") || typeof problem.body.seq !== "string") throw problem;
      this.#note(problem.body.seq);
      // a backup was restored, so the client's newest write does not exist any more: the client forgets the mark of
      // this write
      if (epochOf(this.seq) === epochOf(asked)) throw problem;
      return this.#read(wanted, call, false);
    }
  }

  write<T>(wanted: Wanted, { idempotencyKey = randomText(), ...call }: WriteCall = {}): Promise<T> {
    const headers = { ...wanted.headers, "Idempotency-Key": idempotencyKey };
    return this.#sent({ ...wanted, headers, repeatable: true }, call);
  }

  /**
   * Runs `work` again until no other change conflicts with its write, within the time of one call. All requests act for
   * one user.
   */
  again<T>(attempts: number, call: Call, work: (within: Call, requests: DataRequests) => Promise<T>): Promise<T> {
    const requests = this.of({});
    return this.transport.within(call, async (deadline) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work({ ...call, signal: deadline.signal, timeoutMs: Infinity }, requests);
        } catch (problem) {
          if (attempt >= attempts || !Problem.is(problem, "stale_revision")) throw problem;
          await deadline.pause(20 * 2 ** attempt * Math.random());
        }
      }
    });
  }

  #sent<T>(wanted: Wanted, call: Call): Promise<T> {
    return this.transport.json({ ...wanted, sender: this.sender }, call, (headers) => this.#note(headers.get("X-Bunbase-Seq")));
  }

  /**
   * Stores the newest mark. A mark of another epoch always replaces the stored mark, because another epoch means that
   * the database was restored.
   */
  #note(mark: string | null): void {
    if (!mark) return;
    const [[epoch, seq], [lastEpoch, lastSeq]] = [mark.split("."), (this.seq ?? "").split(".")];
    if (epoch !== lastEpoch || Number(seq) > Number(lastSeq)) this.#newest.mark = mark;
  }
}

function epochOf(mark: string | undefined): string | undefined {
  return mark?.split(".")[0];
}
