/** Files in memory: buckets, uploads (also resumable ones), downloads with ranges and conditions, lists, copies. */

import { asciiJson } from "../files/requests.js";
import type { StoredFile } from "../files/types.js";
import { readJson, writeJson } from "../json.js";
import { refused } from "../local.js";
import { checkKnown } from "./documents.js";
import { md5 } from "./md5.js";

/** A bucket of the server in memory. The names are those of the settings of a bucket. There are no rules. */
export interface TestBucket {
  /** Everybody may read each file without a key. */
  public?: boolean;
  /** The limit of one file. */
  max_bytes?: number;
  /** The accepted types, such as `image/*`. Only the declared type is checked. */
  mime?: readonly string[];
  cache_control?: string;
}

type Bytes = Uint8Array<ArrayBuffer>;
interface Kept {
  info: StoredFile;
  bytes: Bytes;
  cacheControl: string;
}
interface Properties {
  type: string;
  cacheControl: string;
  metadata: Record<string, string>;
  owner: string | null;
  match: string | null;
  noneMatch: string | null;
}
interface Upload extends Properties {
  id: string;
  bucket: string;
  key: string;
  length: number | null;
  parts: Bytes[];
  offset: number;
  object: StoredFile | null;
}
interface Place {
  bucket: string;
  key: string;
}
interface Copying {
  from: Place;
  to: Place;
  overwrite?: boolean;
  content_type?: string;
  cache_control?: string;
  metadata?: Record<string, string>;
}

const TYPE = "application/octet-stream";
const MAX_UPLOADS = 1000;
const MAX_KEYS = 1000;
const MAX_PAGE = 500;
const PIECE_BYTES = 64 << 10;

export class MemoryFiles {
  readonly #buckets = new Map<string, Map<string, Kept>>();
  readonly #uploads = new Map<string, Upload>();

  constructor(readonly settings: Readonly<Record<string, TestBucket>>) {
    for (const name of Object.keys(settings)) this.#buckets.set(name, new Map());
  }

  /** Returns the answer to a request below `/v1/storage`. `owner`: the id of the signed-in user, or null. */
  answer(request: Request, [verb = "", bucket = "", ...rest]: string[], bytes: Bytes, owner: string | null): Response {
    const { method, headers } = request;
    if (verb === "objects") checkKnown("file", new URL(request.url).searchParams.keys(), ["key"]);
    if (verb === "objects") return this.#ofObject(method, headers, { bucket, key: rest.join("/") }, bytes, owner);
    if (verb === "list") return json(200, this.#list(bucket, new URL(request.url).searchParams));
    if (verb === "tus") return this.#ofUpload(method, headers, bucket, bytes, owner);
    const body = bytes.length ? (readJson(new TextDecoder().decode(bytes)) as Record<string, unknown>) : {};
    if (verb === "copy" || verb === "move") return this.#copied(body as unknown as Copying, verb === "move", owner);
    if (verb === "delete") return json(200, { items: this.#deleted(body as { bucket: string; keys: string[] }) });
    throw refused(404, "not_found", `The server in memory does not know /v1/storage/${verb}. Test this with bunbase dev.`);
  }

  /** Returns the files of a bucket in the order of the bytes of their keys. */
  all(bucket: string): StoredFile[] {
    return [...this.#bucket(bucket).values()].map(({ info }) => info).sort((one, other) => byBytes(one.key, other.key));
  }

  /** Returns a file and its bytes. */
  get({ bucket, key }: Place): Kept {
    const found = this.#bucket(bucket).get(key);
    if (!found) throw refused(404, "object_not_found", `There is no object ${key} in ${bucket}.`);
    return found;
  }

  #bucket(name: string): Map<string, Kept> {
    const found = this.#buckets.get(name);
    if (!found) throw refused(404, "bucket_not_found", `There is no bucket ${name}. Pass it to the test client as a member of \`buckets\`.`);
    return found;
  }

  #ofObject(method: string, headers: Headers, place: Place, bytes: Bytes, owner: string | null): Response {
    if (method === "GET" || method === "HEAD") return this.#read(method, headers, this.get(place));
    const condition = { match: headers.get("If-Match"), noneMatch: headers.get("If-None-Match") };
    if (method === "DELETE") {
      check(this.get(place), condition);
      this.#bucket(place.bucket).delete(place.key);
      return new Response(null, { status: 204 });
    }
    const there = this.#bucket(place.bucket).has(place.key);
    const metadata = JSON.parse(headers.get("X-Bunbase-Metadata") ?? "{}") as Record<string, string>;
    const more = { type: headers.get("Content-Type") ?? TYPE, cacheControl: headers.get("Cache-Control") ?? "", metadata, owner };
    return json(there ? 200 : 201, this.#keep(place, bytes, { ...more, ...condition }, md5(bytes)));
  }

  #keep(place: Place, bytes: Bytes, { type, cacheControl, metadata, owner, ...condition }: Properties, etag: string): StoredFile {
    const before = this.#bucket(place.bucket).get(place.key);
    this.#admit(place, type, bytes.length);
    check(before, condition);
    const now = new Date().toISOString();
    const info: StoredFile = {
      ...{ bucket: place.bucket, key: place.key, size: bytes.length, etag, content_type: type, cache_control: cacheControl, metadata },
      ...{ owner: before ? before.info.owner : owner, created_at: before?.info.created_at ?? now, updated_at: now },
    };
    this.#bucket(place.bucket).set(place.key, { info, bytes, cacheControl });
    return info;
  }

  /** Refuses a file that is too large for its bucket, or has another type. */
  #admit({ bucket }: Place, type: string, size: number): void {
    const { max_bytes = Infinity, mime } = this.settings[bucket]!;
    if (size > max_bytes) throw refused(413, "object_too_large", `An object of this bucket has at most ${max_bytes} bytes.`);
    const essence = type.split(";")[0]!.trim().toLowerCase();
    if (mime?.length && !mime.some((one) => one === essence || one === "*/*" || (one.endsWith("/*") && essence.startsWith(one.slice(0, -1)))))
      throw refused(415, "content_type_refused", `This bucket accepts ${mime.join(", ")}.`);
  }

  #read(method: string, headers: Headers, { info, bytes, cacheControl }: Kept): Response {
    const match = headers.get("If-Match");
    if (match !== null) check({ info }, { match, noneMatch: null });
    const settings = this.settings[info.bucket]!;
    const caching = (cacheControl || settings.cache_control || "no-cache").split(",").map((part) => part.trim());
    const kept = caching.filter((part) => part && !/^(public|private|s-maxage)\b/i.test(part));
    const sent: Record<string, string> = {
      ...{ ETag: `"${info.etag}"`, "Last-Modified": new Date(info.updated_at).toUTCString(), "Accept-Ranges": "bytes" },
      ...{ "Cache-Control": [settings.public ? "public" : "private", ...kept].join(", "), "X-Content-Type-Options": "nosniff" },
      ...(Object.keys(info.metadata).length && { "X-Bunbase-Metadata": asciiJson(info.metadata) }),
    };
    const noneMatch = headers.get("If-None-Match");
    if (noneMatch !== null && has(noneMatch, info.etag)) return new Response(null, { status: 304, headers: sent });
    const range = headers.get("If-Range") && headers.get("If-Range") !== sent.ETag ? null : headers.get("Range");
    const [start, end] = rangeOf(range, info.size) ?? [0, info.size];
    const partial = range !== null && rangeOf(range, info.size) !== undefined;
    if (partial) sent["Content-Range"] = `bytes ${start}-${end - 1}/${info.size}`;
    Object.assign(sent, { "Content-Type": info.content_type, "Content-Length": String(end - start) });
    return new Response(method === "HEAD" ? null : streamOf(bytes.slice(start, end)), { status: partial ? 206 : 200, headers: sent });
  }

  #list(bucket: string, search: URLSearchParams): { items: StoredFile[]; prefixes: string[]; next: string | null } {
    const [prefix, delimiter] = [search.get("prefix") ?? "", search.get("delimiter") ?? ""];
    const limit = Number(search.get("limit") ?? 20);
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) throw refused(400, "invalid_input", `limit: a whole number from 1 to ${MAX_PAGE}.`);
    const after = search.get("cursor");
    const page: { items: StoredFile[]; prefixes: string[]; next: string | null } = { items: [], prefixes: [], next: null };
    let last = after === null ? "" : decodeURIComponent(after);
    const from = last;
    for (const info of this.all(bucket)) {
      if (!info.key.startsWith(prefix)) continue;
      const at = delimiter ? info.key.indexOf(delimiter, prefix.length) : -1;
      const group = at < 0 ? undefined : info.key.slice(0, at + delimiter.length);
      const name = group ?? info.key;
      if (name === last || (from && byBytes(name, from) <= 0)) continue;
      if (page.items.length + page.prefixes.length === limit) return { ...page, next: encodeURIComponent(last) };
      if (group === undefined) page.items.push(info);
      else page.prefixes.push(group);
      last = name;
    }
    return page;
  }

  #copied({ from, to, overwrite, content_type, cache_control, metadata }: Copying, moves: boolean, owner: string | null): Response {
    const { info, bytes, cacheControl } = this.get(from);
    const there = this.#bucket(to.bucket).has(to.key);
    const properties = {
      ...{ type: content_type ?? info.content_type, cacheControl: cache_control ?? cacheControl, metadata: metadata ?? info.metadata },
      ...{ owner: moves ? info.owner : owner, match: null, noneMatch: overwrite === false ? "*" : null },
    };
    const stored = this.#keep(to, bytes, properties, info.etag);
    if (moves && (from.bucket !== to.bucket || from.key !== to.key)) this.#bucket(from.bucket).delete(from.key);
    return json(there ? 200 : 201, stored);
  }

  #deleted({ bucket, keys }: { bucket: string; keys: string[] }): { key: string; deleted: boolean }[] {
    const found = this.#bucket(bucket);
    if (!keys.length || keys.length > MAX_KEYS) throw refused(422, "invalid_input", `keys: from 1 to ${MAX_KEYS} keys.`);
    return keys.map((key) => ({ key, deleted: (found.delete(key), true) }));
  }

  #ofUpload(method: string, headers: Headers, id: string, bytes: Bytes, owner: string | null): Response {
    const length = headers.has("Upload-Length") ? Number(headers.get("Upload-Length")) : null;
    if (method === "POST") return this.#begun(headers, length, owner);
    const upload = this.#uploads.get(id);
    if (!upload || upload.owner !== owner) throw refused(404, "upload_not_found", "This upload has ended, or does not exist. Begin a new one.");
    if (method === "GET") return json(200, stateOf(upload));
    if (method === "DELETE") this.#uploads.delete(id);
    else this.#appended(upload, Number(headers.get("Upload-Offset")), length, bytes);
    return new Response(null, { status: 204, headers: { "Upload-Offset": String(upload.offset) } });
  }

  #begun(headers: Headers, length: number | null, owner: string | null): Response {
    const sent = (headers.get("Upload-Metadata") ?? "").split(",").map((one) => one.trim().split(" "));
    const { bucket = "", key = "", content_type, cache_control, metadata } = Object.fromEntries(sent.map(([name, value = ""]) => [name!, fromBase64(value)]));
    this.#bucket(bucket);
    const type = content_type ?? TYPE;
    this.#admit({ bucket, key }, type, length ?? 0);
    if (this.#uploads.size >= MAX_UPLOADS) throw refused(429, "too_many_uploads", `At most ${MAX_UPLOADS} uploads are open at the same time.`);
    const condition = { match: headers.get("If-Match"), noneMatch: headers.get("If-None-Match") };
    const upload: Upload = {
      ...{ id: `upl_${crypto.getRandomValues(new Uint32Array(3)).join("")}`, bucket, key, length, type, owner },
      ...{ cacheControl: cache_control ?? "", metadata: metadata ? (JSON.parse(metadata) as Record<string, string>) : {} },
      ...{ parts: [], offset: 0, object: null, ...condition },
    };
    this.#uploads.set(upload.id, upload);
    if (length === 0) this.#appended(upload, 0, length, new Uint8Array(0));
    return json(201, stateOf(upload));
  }

  #appended(upload: Upload, offset: number, length: number | null, bytes: Bytes): void {
    if (offset !== upload.offset || upload.object) throw refused(409, "upload_offset_mismatch", `The upload continues at byte ${upload.offset}.`);
    upload.length ??= length;
    if (bytes.length) upload.parts.push(bytes);
    upload.offset += bytes.length;
    if (upload.offset !== upload.length) return;
    const whole = new Uint8Array(upload.offset);
    let at = 0;
    for (const part of upload.parts) {
      whole.set(part, at);
      at += part.length;
    }
    try {
      upload.object = this.#keep(upload, whole, upload, upload.parts.length > 1 ? etagOfParts(upload.parts) : md5(whole));
    } catch (problem) {
      this.#uploads.delete(upload.id);
      throw problem;
    }
    upload.parts = [];
  }
}

function check(before: { info: StoredFile } | undefined, { match, noneMatch }: { match: string | null; noneMatch: string | null }): void {
  const etag = before?.info.etag;
  if (match !== null && (etag === undefined || !has(match, etag)))
    throw refused(412, "object_changed", "The object has changed: read it again, or leave the condition out.");
  if (noneMatch !== null && etag !== undefined && has(noneMatch, etag))
    throw refused(412, "object_changed", "The object exists already, and the request is only for a new object (If-None-Match).");
}

/** True if a list of ETags has this one. */
function has(header: string, etag: string): boolean {
  return header.split(",").some((one) => ["*", etag, `"${etag}"`, `W/"${etag}"`].includes(one.trim()));
}

/** Returns the first byte and the one behind the last; undefined if the whole file is to be sent. */
function rangeOf(header: string | null, size: number): [number, number] | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (!first && !last) return undefined;
  const start = first ? Number(first) : Math.max(0, size - Number(last));
  const end = first && last ? Math.min(Number(last) + 1, size) : size;
  if (start >= size || end <= start) throw refused(416, "range_not_satisfiable", `The object has ${size} bytes.`);
  return [start, end];
}

/** Streams the bytes in pieces, as a running server does. */
function streamOf(bytes: Bytes): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.slice(at, (at += PIECE_BYTES)));
      else controller.close();
    },
  });
}

function byBytes(one: string, other: string): number {
  const [a, b] = [new TextEncoder().encode(one), new TextEncoder().encode(other)];
  const at = a.findIndex((byte, n) => byte !== b[n]);
  return at < 0 ? a.length - b.length : a[at]! - (b[at] ?? -1);
}

function etagOfParts(parts: Bytes[]): string {
  const digits = parts.map(md5).join("");
  return `${md5(Uint8Array.from(digits.match(/../g)!, (pair) => Number.parseInt(pair, 16)))}-${parts.length}`;
}

function stateOf({ id, offset, length, object }: Upload): object {
  return { id, offset, length, finished: object !== null, object };
}

function fromBase64(text: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)));
}


function json(status: number, value: unknown): Response {
  return new Response(writeJson(value), { status, headers: { "Content-Type": "application/json" } });
}
