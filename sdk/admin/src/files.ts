/** Files: buckets, their objects, and signed links. */

import type { Call, Transformed } from "bunbase-js";
import { type BucketFiles, FilesOfSender, path, type Sender, variantQuery } from "bunbase-js/internal";
import type { Connection } from "./connection.js";

const BUCKETS = "/v1/storage/buckets";

/** The sources of the rules, in CEL. Without a rule, only servers and members of the project may perform its action. */
export interface BucketRules {
  list?: string | null;
  get?: string | null;
  create?: string | null;
  update?: string | null;
  delete?: string | null;
}

/**
 * The settings of a bucket. `public`: everybody may read each file without a key. `max_bytes`: the limit of one file.
 * `mime`: the accepted types, such as `image/*`. `cache_control`: the header of files that were stored without one.
 */
export interface BucketSpec {
  public?: boolean;
  max_bytes?: number;
  mime?: readonly string[];
  cache_control?: string;
  rules?: BucketRules;
}

export interface BucketInfo extends Required<BucketSpec> {
  name: string;
  created_at: string;
}

/**
 * `waiting_bytes`: the bytes of deleted files that are still on disk. `upload_bytes`, `upload_parts`: the bytes and the
 * number of the parts of uploads that are not complete; they count to the limits too.
 */
export interface StorageUsage {
  objects: number;
  bytes: number;
  waiting_bytes: number;
  upload_bytes: number;
  upload_parts: number;
  max_objects: number;
  max_bytes: number;
}

export interface SignOptions extends Call, Transformed {
  /** `GET` (the default) for a download, `PUT` for an upload. */
  method?: "GET" | "PUT" | undefined;
  /** The time for which the link is valid: an hour by default, at most 7 days. */
  expiresInSeconds?: number | undefined;
  /** The type that an upload must have. */
  contentType?: string | undefined;
  /** The largest size that an upload may have. */
  maxBytes?: number | undefined;
}

/** A link that works without a key, for everybody who has it. */
export interface SignedLink {
  url: string;
  method: string;
  expires_at: string;
}

/** The files of one bucket, with signed links. */
export class Bucket extends FilesOfSender {
  readonly #connection: Connection;

  /** @internal */
  constructor(name: string, connection: Connection) {
    super(name, connection.sender);
    this.#connection = connection;
  }

  /**
   * Makes a link to one file, for a download or an upload without a key. You cannot take a link back, except by deleting
   * the bucket.
   *
   * ```ts
   * const { url } = await admin.files.bucket("photos").sign("rye.jpg", { expiresInSeconds: 600 });
   * ```
   */
  async sign(key: string, { method, expiresInSeconds, contentType, maxBytes, transform, ...call }: SignOptions = {}): Promise<SignedLink> {
    const body = { bucket: this.name, key, method, expires_in: expiresInSeconds, content_type: contentType, max_bytes: maxBytes };
    const request = { method: "POST", path: "/v1/storage/sign", body, repeatable: true };
    const { path: signed, method: allowed, expires_at } = await this.#connection.send<SignedLink & { path: string }>(request, call);
    return { url: this.#connection.sender.origin + signed + variantQuery(transform, "&"), method: allowed, expires_at };
  }
}

/** Files with the rights of a user. */
export class ActingFiles {
  readonly #sender: Sender;

  /** @internal */
  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /**
   * Returns a bucket. This sends no request.
   *
   * ```ts
   * const { items } = await admin.as(uid).files.bucket("photos").list();
   * ```
   */
  bucket(name: string): BucketFiles {
    return new FilesOfSender(name, this.#sender);
  }
}

export class Files {
  readonly buckets: Buckets;
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
    this.buckets = new Buckets(connection);
  }

  /**
   * Returns a bucket with the full rights of the credential. This sends no request.
   *
   * ```ts
   * await admin.files.bucket("photos").upload("rye.jpg", createReadStream("rye.jpg"), { contentType: "image/jpeg" });
   * ```
   */
  bucket(name: string): Bucket {
    return new Bucket(name, this.#connection);
  }

  /**
   * Returns the number and the bytes of all files of the project, and the limits.
   *
   * ```ts
   * const { bytes, max_bytes } = await admin.files.usage();
   * ```
   */
  async usage(call?: Call): Promise<StorageUsage> {
    return this.#connection.read("/v1/storage/usage", call);
  }
}

/** The buckets of the project. */
export class Buckets {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns all buckets, by name. A project has at most 100.
   *
   * ```ts
   * const names = (await admin.files.buckets.list()).map(({ name }) => name);
   * ```
   */
  async list(call?: Call): Promise<BucketInfo[]> {
    return (await this.#connection.read<{ items: BucketInfo[] }>(BUCKETS, call)).items;
  }

  /**
   * Returns a bucket. Throws `bucket_not_found`.
   *
   * ```ts
   * const { rules } = await admin.files.buckets.get("photos");
   * ```
   */
  async get(name: string, call?: Call): Promise<BucketInfo> {
    return this.#connection.read(BUCKETS + path(name), call);
  }

  /**
   * Creates a bucket. Throws `bucket_exists`.
   *
   * ```ts
   * await admin.files.buckets.create("photos", { mime: ["image/*"], rules: { get: "object.owner == auth.uid" } });
   * ```
   */
  async create(name: string, spec: BucketSpec = {}, call?: Call): Promise<BucketInfo> {
    return this.#connection.send({ method: "POST", path: BUCKETS, body: { ...spec, name } }, call);
  }

  /**
   * Changes the given settings; `rules` are replaced together.
   *
   * ```ts
   * await admin.files.buckets.update("photos", { max_bytes: 10_000_000 });
   * ```
   */
  async update(name: string, changes: BucketSpec, call?: Call): Promise<BucketInfo> {
    return this.#connection.send({ method: "PATCH", path: BUCKETS + path(name), body: changes, repeatable: true }, call);
  }

  /**
   * Deletes an empty bucket. Its signed links end. Throws `bucket_not_empty`.
   *
   * ```ts
   * await admin.files.buckets.delete("photos");
   * ```
   */
  async delete(name: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: BUCKETS + path(name) }, call);
  }
}
