import type { Call } from "../call.js";
import { invalidValue } from "../problem.js";
import type { FileConditions, FileInfo, ImageTransform } from "./types.js";

export const OBJECTS = "/v1/storage/objects";

/**
 * Returns the path of a file. A key is data, so `a//b` and `..` are parts of it: the slashes of such a key are escaped,
 * because `fetch` would change the path otherwise. @internal
 */
export function filePath(bucket: string, key: string): string {
  // a URL cannot have such a segment: `%2E` means the same as a dot
  if (typeof key !== "string" || /^(\.{0,2}|%2e)$|[\0\ud800-\udfff]/u.test(key)) throw invalidValue("key", `${JSON.stringify(key)} is no key that a URL can have.`);
  const segments = key.split("/");
  const slash = segments.some((segment) => /^\.{0,2}$/.test(segment)) ? "%2F" : "/";
  return `${OBJECTS}/${encodeURIComponent(bucket)}/${segments.map(encodeURIComponent).join(slash)}`;
}

/** Returns the query of a variant of an image, which begins with `first`; "" without one. @internal */
export function variantQuery(transform: ImageTransform | undefined, first: "?" | "&"): string {
  // JSON has no undefined
  const query = String(new URLSearchParams(JSON.parse(JSON.stringify(transform ?? {})) as Record<string, string>));
  return query && first + query;
}

/** Refuses unknown options: a misspelt condition would overwrite a file. @internal */
export function checked(call: Call): Call {
  const unknown = Object.keys(call).find((name) => !/^(signal|timeoutMs|retries|headers)$/.test(name));
  if (unknown !== undefined) throw invalidValue(unknown, "This call has no such option.");
  return call;
}

/** @internal */
export function conditions({ ifMatch, ifAbsent }: FileConditions & { ifAbsent?: boolean | undefined }): Record<string, string> {
  return { ...(ifMatch !== undefined && { "If-Match": `"${ifMatch}"` }), ...(ifAbsent && { "If-None-Match": "*" }) };
}

/** Returns JSON in ASCII, because headers have no other characters. @internal */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Returns the properties of a file from the headers of a download. @internal */
export function infoOf(bucket: string, key: string, { headers }: Response): FileInfo {
  const header = (name: string) => headers.get(name) ?? "";
  return {
    bucket,
    key,
    size: Number(/\/(\d+)$/.exec(header("Content-Range"))?.[1] ?? header("Content-Length")),
    etag: header("ETag").replace(/^(W\/)?"|"$/g, ""),
    content_type: header("Content-Type"),
    cache_control: header("Cache-Control"),
    metadata: JSON.parse(header("X-Bunbase-Metadata") || "{}") as Record<string, string>,
    updated_at: new Date(header("Last-Modified")).toISOString(),
  };
}
