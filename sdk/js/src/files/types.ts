import type { Call } from "../call.js";

/** The properties of a stored file. */
export interface StoredFile extends FileInfo {
  /** The id of the user who created the file, or null if a server or a member created it. */
  owner: string | null;
  created_at: string;
}

/** The properties that an answer to a download has. */
export interface FileInfo {
  bucket: string;
  key: string;
  /** The number of bytes of the whole file. */
  size: number;
  /** The MD5 of the bytes, in hexadecimal digits. */
  etag: string;
  content_type: string;
  cache_control: string;
  metadata: Record<string, string>;
  updated_at: string;
}

/**
 * The content of an upload. The client reads a stream only once, and keeps at most one part of it (8 MiB) in memory. A
 * text is sent as UTF-8.
 */
export type FileContent = Blob | ArrayBuffer | ArrayBufferView | string | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

export interface Progress {
  /** The bytes that were sent. After a lost connection, this can become smaller. */
  sent: number;
  /** The number of bytes of the file, or undefined for a stream that has not ended yet. */
  total: number | undefined;
}

/** Conditions of an upload or a removal. */
export interface FileConditions {
  /** Acts only if the file still has this `etag`. Otherwise the call throws `object_changed`. */
  ifMatch?: string | undefined;
}

export interface UploadOptions extends Call, FileConditions {
  /** The type of the content, such as `image/jpeg`. By default, the type of a Blob. */
  contentType?: string | undefined;
  cacheControl?: string | undefined;
  /** At most 2 KiB as JSON. Rules see it as `object.metadata`. */
  metadata?: Record<string, string> | undefined;
  /** Uploads only if the key has no file yet. Otherwise the call throws `object_changed`. */
  ifAbsent?: boolean | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * True to send the file in parts, so that the upload continues after a lost connection. By default, the client sends
   * files of more than 8 MiB, and streams, in this way.
   */
  resumable?: boolean | undefined;
}

/**
 * A variant of an image: another size or format, without metadata, and never larger than the image. The server rounds
 * sizes and qualities up to steps.
 */
export interface ImageTransform {
  /** In pixels, at most 4096. If only one side is given, the other one follows. */
  width?: number | undefined;
  height?: number | undefined;
  /** `cover` (the default) fills the box and cuts the rest, `contain` fits into the box, `fill` stretches. */
  fit?: "cover" | "contain" | "fill" | undefined;
  /** `auto` (the default) is WebP if the reader accepts it, otherwise `origin`: the format of the file. */
  format?: "auto" | "origin" | "webp" | "avif" | "jpeg" | "png" | undefined;
  /** 20 to 100; 80 by default. */
  quality?: number | undefined;
}

/** An option of reading an image. */
export interface Transformed {
  /** Reads a variant of an image instead of the file. */
  transform?: ImageTransform | undefined;
}

export interface DownloadOptions extends Call, Transformed {
  /** The bytes from `start` to before `end`, as for `Blob.slice`. A negative `start` counts from the end of the file. */
  range?: { start: number; end?: number | undefined } | undefined;
}

export interface ListOptions {
  /** Only keys that begin with this text. */
  prefix?: string | undefined;
  /** Groups the keys that have this text after the prefix, as `/` does for folders. */
  delimiter?: string | undefined;
  /** The largest number of files and groups of a page: 20 by default, at most 500. */
  limit?: number | undefined;
  cursor?: string | null | undefined;
}

/** One page of a list. Only `next` shows whether more files follow, because a rule can hide all files of a page. */
export interface FilePage {
  items: StoredFile[];
  /** The groups of this page, if the list has a `delimiter`. */
  prefixes: string[];
  next: string | null;
}

export interface CopyOptions extends Call {
  /** The bucket of the target. By default, the bucket of the source. */
  bucket?: string | undefined;
  /** With false, a target that exists is refused (`object_changed`). */
  overwrite?: boolean | undefined;
  contentType?: string | undefined;
  cacheControl?: string | undefined;
  metadata?: Record<string, string> | undefined;
}

/** The result of one key of `removeMany`. */
export interface RemovedFile {
  key: string;
  /** True if there is no such file now. */
  deleted: boolean;
  /** The code of the problem otherwise. */
  code?: string;
}
