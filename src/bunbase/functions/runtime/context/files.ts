/** Files: `ctx.files`. */

/** A file in a bucket, without its content. `etag`: the MD5 of the content, in hexadecimal digits. `owner`: the id of the user who created the file, or null. Times are RFC 3339. */
export type StoredFile = Readonly<{
  bucket: string;
  key: string;
  size: number;
  etag: string;
  content_type: string;
  cache_control: string;
  metadata: Readonly<Record<string, string>>;
  owner: string | null;
  created_at: string;
  updated_at: string;
}>;

/**
 * A file that was opened for reading. The content is from the byte `start` to before the byte `end`. It can be read
 * once, with one of `stream`, `bytes`, `text` and `json`. Reading throws a Problem (`object_damaged`) if the stored
 * bytes are damaged.
 */
export type OpenedFile = Readonly<{
  info: StoredFile;
  start: number;
  end: number;
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  text(): Promise<string>;
  json<T = unknown>(): Promise<T>;
}>;

/** The content of a file. A text is stored as UTF-8. `null`, such as the `body` of a request without a body, is empty. */
export type FileContent = string | ArrayBuffer | ArrayBufferView | Blob | ReadableStream<Uint8Array> | null;

/** A condition of an act. `ifMatch`: the file must still have this `etag`. Otherwise the act throws `object_changed`. */
export type FileCondition = Readonly<{ ifMatch?: string }>;

/**
 * The properties of a file to store. `contentType`: by default the type of a Blob. `metadata`: at most 2 KiB of JSON.
 * `ifAbsent`: true if the key must have no file yet.
 */
export type PutOptions = FileCondition &
  Readonly<{ contentType?: string; cacheControl?: string; metadata?: Readonly<Record<string, string>>; ifAbsent?: boolean }>;

/** `range`: the bytes from `start` to before `end`. A negative `start` counts from the end of the file. */
export type GetOptions = FileCondition & Readonly<{ range?: Readonly<{ start: number; end?: number }> }>;

/** `delimiter`: keys that have this text after the prefix are grouped, as `/` does for folders. */
export type FileQuery = Readonly<{ prefix?: string; delimiter?: string; limit?: number; cursor?: string | null }>;

/** One page of files. Only `next` shows whether more files follow. `prefixes`: the groups of this page. */
export type FilePage = Readonly<{ items: readonly StoredFile[]; prefixes: readonly string[]; next: string | null }>;

/**
 * `bucket`: the bucket of the target; by default the bucket of the source. `overwrite`: false to refuse a target that
 * exists. The other options replace the properties of the source.
 */
export type CopyOptions = Readonly<{
  bucket?: string;
  overwrite?: boolean;
  contentType?: string;
  cacheControl?: string;
  metadata?: Readonly<Record<string, string>>;
}>;

/** `expiresIn`: seconds, 3600 by default, at most 7 days. `contentType`, `maxBytes`: limits of a link with `PUT`. */
export type SignOptions = Readonly<{ method?: "GET" | "PUT"; expiresIn?: number; contentType?: string; maxBytes?: number }>;

/** A link for one request without a key. `path`: append it to the address of the server. */
export type SignedLink = Readonly<{ method: string; path: string; token: string; expires_at: string }>;

/** The result of one key of `deleteMany`. `deleted`: true if there is no such file now. `code`: the code of the problem otherwise. */
export type DeletedFile = Readonly<{ key: string; deleted: boolean; code?: string }>;

/** The files of one bucket. Methods throw a Problem such as `object_not_found`, `bucket_not_found` or `rule_denied`. */
export type Bucket = Readonly<{
  /**
   * Stores a file, and replaces a file with the same key. A stream needs little memory, even for a large file. If it
   * fails, nothing is stored.
   */
  put(key: string, content: FileContent, options?: PutOptions): Promise<StoredFile>;
  /** Opens a file for reading. */
  get(key: string, options?: GetOptions): Promise<OpenedFile>;
  head(key: string): Promise<StoredFile>;
  /** Returns one page of files, in the order of the bytes of their keys. */
  list(query?: FileQuery): Promise<FilePage>;
  delete(key: string, options?: FileCondition): Promise<void>;
  /** Deletes up to 1,000 files. A missing file counts as deleted. */
  deleteMany(keys: readonly string[]): Promise<readonly DeletedFile[]>;
  /** Copies a file without copying its bytes. */
  copy(from: string, to: string, options?: CopyOptions): Promise<StoredFile>;
  move(from: string, to: string, options?: CopyOptions): Promise<StoredFile>;
  /** Makes a signed link. Everybody who has the link can use it. Only `ctx.files` may do this, and not `ctx.as(…).files`. */
  sign(key: string, options?: SignOptions): Promise<SignedLink>;
}>;

/** Files in the buckets of the project. */
export type Files = Readonly<{ bucket(name: string): Bucket }>;
