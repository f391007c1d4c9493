/**
 * Uploads that continue after a lost connection, with TUS 1.0.0.
 *
 * The life of one upload: a small file is sent at once. For a larger file, the client begins an upload on the server and
 * keeps its address in the storage → it sends parts of 8 MiB → after a failure, it asks the server for the number of
 * bytes that have arrived, and continues there. A page that is loaded again continues with the same file.
 */

import type { Call, SessionStorage } from "../call.js";
import type { within } from "../deadline.js";
import type { Problem } from "../problem.js";
import type { Transport, Wanted } from "../transport.js";
import type { Streamed, Whole } from "./content.js";
import { reportingFetch } from "./progress.js";
import { PART_BYTES, type Source, StreamSource, wholeSource } from "./sources.js";
import type { StoredFile, UploadOptions } from "./types.js";

const UPLOADS = "/v1/storage/tus";
const VERSION = { "Tus-Resumable": "1.0.0" };
const RETRIES = 5; // failures in a row without any progress
const STORAGE_MS = 2000;
const PREFIX = "bunbase.upload.";
const BUSY_MS = 1000; // the server may notice the end of an aborted part only after some seconds
const BUSY_ATTEMPTS = 8;

interface State {
  offset: number;
  finished: boolean;
  object: StoredFile | null;
}

/**
 * The parts of the client that this module uses. They are passed, because an import would put a second copy into this
 * module. @internal
 */
export interface Tools {
  transport: Transport;
  /** Sends the whole content in one request. */
  put(content: Whole, fetch: typeof globalThis.fetch | undefined): Promise<StoredFile>;
  isProblem(error: unknown, ...codes: string[]): error is Problem;
  pauseBefore(attempt: number, problem: Problem): number | undefined;
  patience(bytes: number): number;
  within: typeof within;
  storage: SessionStorage | null;
}

/** The content, and the properties of the file. @internal */
export interface Upload {
  bucket: string;
  key: string;
  content: Whole | Streamed;
  size: number | undefined;
  type: string | undefined;
  options: UploadOptions;
  call: Call;
  headers: Record<string, string>;
}

/** Uploads a file in the way that fits its size. @internal */
export async function resumableUpload(tools: Tools, upload: Upload): Promise<StoredFile> {
  const { content, size, options } = upload;
  const source = size === undefined ? new StreamSource(content as Streamed) : wholeSource(content as Whole, size);
  let sending: Sending | undefined;
  try {
    const { resumable = size === undefined || size > PART_BYTES } = options;
    if (resumable && !(size === undefined && (await source.at(0)).last)) {
      sending = new Sending(tools, upload, source);
      return await sending.done();
    }
    const whole = size === undefined ? (await source.at(0)).bytes : (content as Whole);
    const total = size ?? (whole as Uint8Array).length;
    const report = (sent: number) => options.onProgress?.({ sent: Math.min(sent, total), total });
    report(0);
    const stored = await tools.put(whole, options.onProgress && !tools.transport.options.fetch ? reportingFetch(report) : undefined);
    report(total);
    return stored;
  } catch (error) {
    source.cancel().catch(() => {});
    if (upload.call.signal?.aborted) sending?.abandon().catch(() => {});
    throw error;
  }
}

class Sending {
  #path: string | undefined;
  #failures = 0;

  constructor(
    readonly tools: Tools,
    readonly upload: Upload,
    readonly source: Source,
  ) {}

  async done(): Promise<StoredFile> {
    const name = await this.#name();
    let offset = await this.#continued(name);
    this.#report(offset);
    for (;;) {
      const { bytes, last } = await this.source.at(offset);
      const size = (bytes as Blob).size ?? (bytes as Uint8Array).length;
      try {
        if (size || last) await this.#send(bytes, size, offset, last);
        offset += size;
        this.#failures = 0;
        this.#report(offset);
        if (!last) continue;
        const { object } = await this.#state();
        await this.#keep(name, null);
        return object!;
      } catch (error) {
        const before = offset;
        const state = await this.#afterFailure(error, name);
        if (state.finished) return (await this.#keep(name, null), state.object!);
        offset = state.offset;
        if (offset > before) this.#failures = 0;
        this.#report(offset);
      }
    }
  }

  /** Ends the upload on the server, because the app has aborted it: otherwise it would hold a place for a day. */
  async abandon(): Promise<void> {
    const { transport, isProblem, within } = this.tools;
    await this.#keep(await this.#name(), null);
    if (!this.#path) return;
    const send = transport.options.fetch ?? globalThis.fetch;
    const wanted: Wanted = {
      ...{ method: "DELETE", path: this.#path, headers: VERSION, repeatable: true },
      fetch: (url, init) => send(url, { ...init, keepalive: true }), // the page may be closed now
    };
    const { signal: _, ...call } = this.upload.call;
    for (let attempt = 1; ; attempt++) {
      try {
        return await transport.json(wanted, call);
      } catch (problem) {
        if (attempt >= BUSY_ATTEMPTS || !isProblem(problem, "upload_busy")) throw problem;
        await within({}, Infinity, (deadline) => deadline.pause(BUSY_MS));
      }
    }
  }

  /** Returns the offset of an upload that an earlier page has begun, or begins an upload. */
  async #continued(name: string | undefined): Promise<number> {
    this.#path = (await this.#kept(name)) ?? undefined;
    try {
      const state = this.#path ? await this.#state() : undefined;
      // a finished upload is not this one: its file may have been replaced or deleted since then
      if (state && !state.finished) return state.offset;
    } catch (problem) {
      if (!this.tools.isProblem(problem, "upload_not_found")) throw problem;
    }
    const { bucket, key, type, size, options, call, headers } = this.upload;
    const { cacheControl, metadata } = options;
    const values = { bucket, key, content_type: type, cache_control: cacheControl, metadata: metadata && JSON.stringify(metadata) };
    const sent = Object.entries(values).flatMap(([field, value]) => (value === undefined ? [] : [`${field} ${base64(value)}`]));
    const length: Record<string, string> = size === undefined ? { "Upload-Defer-Length": "1" } : { "Upload-Length": String(size) };
    const conditions = Object.fromEntries(Object.entries(headers).filter(([header]) => header.startsWith("If-")));
    const wanted: Wanted = {
      ...{ method: "POST", path: UPLOADS, repeatable: true },
      headers: { ...VERSION, ...length, "Upload-Metadata": sent.join(), ...conditions },
    };
    const { id } = await this.tools.transport.json<{ id: string }>(wanted, call);
    this.#path = `${UPLOADS}/${id}`;
    await this.#keep(name, this.#path);
    return 0;
  }

  async #send(bytes: Whole, size: number, offset: number, last: boolean): Promise<void> {
    const { tools, upload } = this;
    const known: Record<string, string> = last && upload.size === undefined ? { "Upload-Length": String(offset + size) } : {};
    const headers = { ...VERSION, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset), ...known };
    const wanted: Wanted = { method: "PATCH", path: this.#path!, raw: bytes, headers };
    if (upload.options.onProgress && !tools.transport.options.fetch)
      wanted.fetch = reportingFetch((sent) => this.#report(offset + Math.min(sent, size)));
    await tools.transport.json(wanted, { ...upload.call, retries: 0, timeoutMs: upload.call.timeoutMs ?? tools.patience(size) });
  }

  #state(): Promise<State> {
    return this.tools.transport.json({ method: "GET", path: this.#path!, headers: VERSION, repeatable: true }, this.upload.call);
  }

  /** Waits after a failure that may pass, and returns the state of the upload. Throws the problem otherwise. */
  async #afterFailure(error: unknown, name: string | undefined): Promise<State> {
    const { tools, upload } = this;
    for (let latest = error; ; ) {
      if (!tools.isProblem(latest)) throw latest;
      const most = upload.call.retries ?? tools.transport.options.retries ?? RETRIES;
      const passes = ["upload_busy", "upload_offset_mismatch", "timeout", "deadline_exceeded", "request_stalled"].includes(latest.code);
      const pause = passes ? tools.pauseBefore(this.#failures, { ...latest, code: "network" } as Problem) : tools.pauseBefore(this.#failures, latest);
      if (pause === undefined || this.#failures >= most) {
        // a refusal ends the upload on the server, so that the next attempt begins a new one
        if (latest.status && latest.status < 500 && pause === undefined) await this.#keep(name, null);
        throw latest;
      }
      this.#failures++;
      await tools.within(upload.call, Infinity, (deadline) => deadline.pause(pause));
      try {
        return await this.#state();
      } catch (next) {
        latest = next;
      }
    }
  }

  #report(sent: number): void {
    this.upload.options.onProgress?.({ sent, total: this.source.size });
  }

  /** The name of the upload in the storage; undefined for content that cannot be recognized later. */
  async #name(): Promise<string | undefined> {
    const { bucket, key, size, type, content, headers } = this.upload;
    const { name, lastModified } = content as Partial<File>;
    if (lastModified === undefined) return undefined;
    const { transport } = this.tools;
    await transport.credentials?.ready;
    const parts = [transport.origin, transport.key, transport.credentials?.userId, bucket, key, name, size, lastModified, type, headers];
    return PREFIX + JSON.stringify(parts);
  }

  async #kept(name: string | undefined): Promise<string | null> {
    return name === undefined ? null : ((await this.#stored((storage) => storage.getItem(name))) ?? null);
  }

  async #keep(name: string | undefined, path: string | null): Promise<void> {
    if (name !== undefined) await this.#stored((storage) => (path === null ? storage.removeItem(name) : storage.setItem(name, path)));
  }

  /** Uses the storage. An upload must not fail because the storage is full, forbidden, or never answers. */
  async #stored<T>(use: (storage: SessionStorage) => T | Promise<T>): Promise<T | undefined> {
    const { storage } = this.tools;
    try {
      return storage ? await this.tools.within({}, STORAGE_MS, (deadline) => deadline.race(Promise.resolve(use(storage)))) : undefined;
    } catch {
      return undefined;
    }
  }
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
