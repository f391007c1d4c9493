import type { Call, WriteCall } from "../call.js";
import { Problem } from "../problem.js";
import { randomText, type Transport, type Wanted } from "../transport.js";

/**
 * Reads and writes of documents. Every write has an idempotency key, so that a retry takes effect once. Every read names
 * the newest write of this client, so that it sees this write wherever the answer comes from. @internal
 */
export class DataRequests {
  #newest: string | undefined;

  constructor(readonly transport: Transport) {}

  read<T>(wanted: Wanted, call: Call = {}): Promise<T> {
    const headers: Record<string, string> = this.#newest ? { "X-Bunbase-At-Least": this.#newest } : {};
    return this.#sent({ ...wanted, headers, repeatable: true }, call);
  }

  write<T>(wanted: Wanted, { idempotencyKey = randomText(), ...call }: WriteCall = {}): Promise<T> {
    const headers = { ...wanted.headers, "Idempotency-Key": idempotencyKey };
    return this.#sent({ ...wanted, headers, repeatable: true }, call);
  }

  /** Runs `work` until its write meets no other change, within the time of one call. */
  async again<T>(attempts: number, call: Call, work: (within: Call) => Promise<T>): Promise<T> {
    const deadline = this.transport.deadline(call);
    const within = { ...call, signal: deadline.signal, timeoutMs: Infinity };
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work(within);
        } catch (problem) {
          const again = attempt < attempts && Problem.is(problem, "stale_revision");
          if (!again) throw deadline.ended(problem) ?? problem;
          await deadline.pause(20 * 2 ** attempt * Math.random());
        }
      }
    } finally {
      deadline.done();
    }
  }

  #sent<T>(wanted: Wanted, call: Call): Promise<T> {
    return this.transport.json(wanted, call, (headers) => this.#note(headers.get("X-Bunbase-Seq")));
  }

  /** Keeps the newest mark. A mark of another epoch replaces it: the database was restored. */
  #note(mark: string | null): void {
    if (!mark) return;
    const [epoch, seq] = mark.split(".");
    const [oldEpoch, oldSeq] = this.#newest?.split(".") ?? [];
    if (epoch !== oldEpoch || Number(seq) > Number(oldSeq)) this.#newest = mark;
  }
}
