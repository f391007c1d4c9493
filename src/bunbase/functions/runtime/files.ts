/** `ctx.files`: sends requests about files to the host. The content streams in both directions. */

import type { Body, Reply } from "./asks.ts";
import type {
  Bucket,
  CopyOptions,
  FileCondition,
  FileContent,
  FilePage,
  FileQuery,
  Files,
  GetOptions,
  OpenedFile,
  PutOptions,
  SignOptions,
  StoredFile,
} from "./context.ts";
import { type Power, textOf } from "./data.ts";
import { decodeText, encodeText } from "./frames.ts";

/** Sends one ask to the host and returns its reply, whose body may be a stream. */
export type AskReply = (method: string, args: unknown, body?: Body) => Promise<Reply>;

type Content = { body: Body; length: number | null; type: string };

export function filesOf(ask: AskReply, as: Power): Files {
  return Object.freeze({ bucket: (name: string) => bucketOf(ask, as, name) });
}

function bucketOf(ask: AskReply, as: Power, bucket: string): Bucket {
  const asked = async (method: string, args: object, body?: Body): Promise<unknown> => {
    const reply = await ask(`files.${method}`, { as, bucket, ...args }, body);
    const bytes = await bytesOf(reply.body);
    return bytes.length === 0 ? undefined : JSON.parse(decodeText(bytes));
  };
  const copied = (method: string, from: string, to: string, options: CopyOptions = {}) => {
    const { bucket: target = bucket, overwrite, contentType, cacheControl, metadata } = options;
    const copying = {
      ...{ from: { bucket, key: from }, to: { bucket: target, key: to }, overwrite },
      ...{ content_type: contentType, cache_control: cacheControl, metadata },
    };
    return asked(method, { copying }) as Promise<StoredFile>;
  };
  return Object.freeze({
    put: async (key: string, content: FileContent, options: PutOptions = {}) => {
      const { contentType, cacheControl = "", metadata = {}, ifMatch, ifAbsent = false } = options;
      const { body, length, type } = contentOf(content);
      const properties = { content_type: contentType ?? type, cache_control: cacheControl, metadata, length };
      return (await asked("put", { key, ...properties, if_match: ifMatch, if_absent: ifAbsent }, body)) as StoredFile;
    },
    get: async (key: string, { range, ifMatch }: GetOptions = {}) =>
      openedFile(await ask("files.get", { as, bucket, key, ...range, if_match: ifMatch })),
    head: (key: string) => asked("head", { key }) as Promise<StoredFile>,
    list: (query: FileQuery = {}) => asked("list", query) as Promise<FilePage>,
    delete: (key: string, { ifMatch }: FileCondition = {}) => asked("delete", { key, if_match: ifMatch }) as Promise<void>,
    deleteMany: (keys: readonly string[]) => asked("deleteMany", {}, encodeText(textOf(keys))),
    copy: (from: string, to: string, options?: CopyOptions) => copied("copy", from, to, options),
    move: (from: string, to: string, options?: CopyOptions) => copied("move", from, to, options),
    sign: (key: string, { method, expiresIn, contentType, maxBytes }: SignOptions = {}) => {
      const limits = { content_type: contentType, max_bytes: maxBytes };
      return asked("sign", { link: { bucket, key, method, expires_in: expiresIn, ...limits } });
    },
  }) as Bucket;
}

/** Returns the content as bytes or as a stream. It must not wait, so that an error shows the line of the call. */
function contentOf(content: FileContent): Content {
  if (content === null) return whole(new Uint8Array(0));
  if (typeof content === "string") return whole(encodeText(content));
  if (content instanceof ArrayBuffer) return whole(new Uint8Array(content));
  if (ArrayBuffer.isView(content)) {
    return whole(new Uint8Array(content.buffer as ArrayBuffer, content.byteOffset, content.byteLength));
  }
  if (content instanceof Blob) return { body: content.stream(), length: content.size, type: content.type };
  if (content instanceof ReadableStream) return { body: content, length: null, type: "" };
  throw new TypeError("The content of a file is a text, bytes, a Blob or a stream, such as the body of a Request or Response.");
}

function whole(body: Uint8Array): Content {
  return { body, length: body.length, type: "" };
}

function openedFile({ head, body }: Reply): OpenedFile {
  const content = new Response(body as never);
  return Object.freeze({
    ...(head as { info: StoredFile; start: number; end: number }),
    stream: content.body ?? new Blob([]).stream(),
    bytes: async () => new Uint8Array(await content.arrayBuffer()),
    text: () => content.text(),
    json: () => content.json(),
  }) as OpenedFile;
}

async function bytesOf(body: Body): Promise<Uint8Array> {
  return body instanceof Uint8Array ? body : new Uint8Array(await new Response(body as never).arrayBuffer());
}
