/** Exports as streams: a whole export is never in memory. importing.ts has the imports. */

import { type Call, Problem } from "bunbase-js";
import { readJson } from "bunbase-js/internal";
import { type Connection, search } from "./connection.js";

type Values = Record<string, string | number | boolean | undefined>;

const NEWLINE = 10;

/**
 * Returns the lines of an export. `position` returns the position of a line, after which another export can continue.
 * @internal
 */
export async function exported(
  connection: Connection,
  address: string,
  query: Values,
  call: Call,
  position: (line: Record<string, unknown>) => unknown,
): Promise<ReadableStream<Uint8Array>> {
  const response = await connection.stream(address + search(query), call);
  const reader = response.body!.getReader();
  const last = new LastLine();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          last.add(value);
          controller.enqueue(value);
        } catch (cause) {
          const line = last.value();
          controller.error(broken(call, cause, line && position(line)));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function broken({ signal }: Call, cause: unknown, after: unknown): Problem {
  if (signal?.aborted) return new Problem({ code: "aborted", detail: "The export was aborted by its signal." }, { cause: signal.reason });
  const detail = `The export broke off. ${after ? `Continue it with after: ${JSON.stringify(after)}.` : "Begin it again."}`;
  return new Problem({ code: "network", detail, after }, { cause });
}

/** Remembers the last complete line of a stream. */
class LastLine {
  #whole: Uint8Array[] = [];
  #begun: Uint8Array[] = [];

  add(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < 0) return void this.#begun.push(chunk);
    const start = end > 0 ? chunk.lastIndexOf(NEWLINE, end - 1) : -1;
    this.#whole = start < 0 ? [...this.#begun, chunk.subarray(0, end)] : [chunk.subarray(start + 1, end)];
    this.#begun = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
  }

  value(): Record<string, unknown> | undefined {
    const decoder = new TextDecoder();
    const text = this.#whole.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
    return text ? (readJson(text) as Record<string, unknown>) : undefined;
  }
}
