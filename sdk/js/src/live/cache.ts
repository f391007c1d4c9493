/** A cache that keeps results and waiting writes between visits: IndexedDB, or a cache of the app. */

import { within } from "../deadline.js";
import { readJson } from "../json.js";
import { Problem } from "../problem.js";
import type { Transport } from "../transport.js";

/**
 * A store of texts by key. If a promise fails or takes longer than three seconds, the client continues without the
 * cache. The client ignores a text that it cannot read.
 */
export interface LiveCache {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  /** Returns the texts of all keys that begin with `prefix`, in the order of their keys. */
  list(prefix: string): Promise<string[]>;
  /** Keeps the newest `most` of the entries whose keys begin with `prefix`, by the time of their last `set`. */
  trim(prefix: string, most: number): Promise<unknown>;
}

interface Stored {
  readonly key: string;
  readonly text: string;
}

const STORE = "texts";
const PATIENCE_MS = 3000;
/**
 * The version of the stored texts. The version grows when a release of this package stores results or writes in another
 * shape. The client ignores texts of another version.
 */
const VERSION = 1;

/** Returns the prefix of the keys of results or of writes. The prefix contains the project and the user. @internal */
export function keyOf(kind: "result" | "write", place: string): string {
  return `${kind}:${VERSION}:${place}:`;
}

/**
 * Returns the value of a text of the cache, or undefined if the text is unusable, because other programs may write to
 * the cache. @internal
 */
export function valueOf(text: unknown): unknown {
  try {
    return readJson(text as string);
  } catch {
    return undefined;
  }
}

/**
 * Returns a cache in the browser's IndexedDB. The cache keeps results and waiting writes when the page is closed.
 * Everybody who uses the same browser profile can read the cache.
 *
 * ```ts
 * const live = createLive(client, { cache: indexedDBCache() });
 * ```
 */
export function indexedDBCache(name = "bunbase-live"): LiveCache {
  let opening: Promise<IDBDatabase> | undefined;
  const forget = () => void (opening = undefined); // the next call opens the database again
  const open = () =>
    (opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        const store = request.result.createObjectStore(STORE, { keyPath: "key" });
        store.createIndex("at", "at");
      };
      request.onsuccess = () => {
        // another tab needs a newer version of the database, or the person deletes the data of the site
        request.result.onversionchange = () => {
          request.result.close();
          forget();
        };
        request.result.onclose = forget; // the browser has closed the database
        resolve(request.result);
      };
      request.onerror = request.onblocked = () => {
        forget();
        reject(request.error ?? new Error("IndexedDB is blocked."));
      };
    }));
  const run = async <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T> | void): Promise<T> => {
    const transaction = (await open()).transaction(STORE, mode);
    return new Promise((resolve, reject) => {
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request ? request.result : (undefined as T));
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  };
  const below = (prefix: string) => IDBKeyRange.bound(prefix, `${prefix}\uffff`);
  return {
    get: async (key) => (await run<Stored | undefined>("readonly", (store) => store.get(key)))?.text,
    set: (key, text) => run("readwrite", (store) => store.put({ key, text, at: Date.now() })),
    delete: (key) => run("readwrite", (store) => store.delete(key)),
    list: async (prefix) => (await run<Stored[]>("readonly", (store) => store.getAll(below(prefix)))).map(({ text }) => text),
    trim: (prefix, most) =>
      run("readwrite", (store) => {
        let kept = 0;
        store.index("at").openCursor(null, "prev").onsuccess = ({ target }) => {
          const cursor = (target as IDBRequest<IDBCursorWithValue | null>).result;
          if (!cursor) return;
          if (String(cursor.primaryKey).startsWith(prefix) && ++kept > most) cursor.delete();
          cursor.continue();
        };
      }),
  };
}

/**
 * Returns the value of a call of the cache, or undefined if the call fails. The client reports the first failure, and
 * then works without the cache. @internal
 */
export async function reported<T>(transport: Transport, call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await within({}, PATIENCE_MS, (deadline) => deadline.race(call()));
  } catch (cause) {
    const detail = "The cache of live queries failed, so nothing is kept for the next visit.";
    if (!failed.has(transport)) transport.report(new Problem({ code: "storage_failed", detail }, { cause }));
    failed.add(transport);
    return undefined;
  }
}

const failed = new WeakSet<Transport>();
