/**
 * The storage of the session. A storage may be absent, full, forbidden or asynchronous, or it may never answer. If the
 * storage does not work, the session is kept in memory, and one problem is reported.
 */

import type { ClientOptions, SessionStorage } from "../call.js";
import { within } from "../deadline.js";
import { Problem } from "../problem.js";

const PATIENCE_MS = 2000;

/** @internal */
export class GuardedStorage {
  #inner: SessionStorage | null;
  #memory = new Map<string, string>();
  #saving: Promise<unknown> | undefined;

  constructor(
    { storage }: ClientOptions,
    readonly key: string,
    readonly report: (problem: Problem) => void,
  ) {
    this.#inner = storage === undefined ? pageStorage() : storage;
  }

  /** True if other tabs, or other clients, may see the same session. */
  get shared(): boolean {
    return this.#inner !== null;
  }

  /** True if all tabs see the same session. */
  get ofAllTabs(): boolean {
    return this.shared && this.#inner === pageStorage();
  }

  /** Returns the text of a key: synchronously, if the storage is synchronous. A pending change is stored first. */
  load(key = this.key): string | null | Promise<string | null> {
    if (this.#saving) return this.#saving.then(() => this.load(key));
    return this.#use<string | null>(key, (inner) => {
      const found = inner.getItem(key);
      return found instanceof Promise ? found.then((text) => this.#keep(key, text)) : this.#keep(key, found);
    });
  }

  /** Stores the text of a key, or removes it. Changes are stored one after the other, so the last change stays. */
  async save(text: string | null, key = this.key): Promise<void> {
    this.#keep(key, text);
    const store = () => this.#use(key, (inner) => (text === null ? inner.removeItem(key) : inner.setItem(key, text)));
    const saved = this.#saving ? this.#saving.then(store) : store();
    if (!(saved instanceof Promise)) return;
    const saving = (this.#saving = saved.then(() => void (this.#saving === saving && (this.#saving = undefined))));
    await saving;
  }

  #use<T>(key: string, use: (inner: SessionStorage) => T | Promise<T>): T | string | null | Promise<T | string | null> {
    if (!this.#inner) return this.#memory.get(key) ?? null;
    try {
      const answer = use(this.#inner);
      return answer instanceof Promise
        ? within({}, PATIENCE_MS, (deadline) => deadline.race(answer)).catch((error) => this.#giveUp(key, error))
        : answer;
    } catch (error) {
      return this.#giveUp(key, error);
    }
  }

  #keep(key: string, text: unknown): string | null {
    if (typeof text !== "string") return this.#memory.delete(key), null;
    this.#memory.set(key, text);
    return text;
  }

  #giveUp(key: string, cause: unknown): string | null {
    if (this.#inner) {
      const detail = "The storage failed, so the session ends with the page.";
      this.report(new Problem({ code: "storage_failed", detail }, { cause }));
    }
    this.#inner = null;
    return this.#memory.get(key) ?? null;
  }
}

function pageStorage(): SessionStorage | null {
  try {
    // on a server, all users would share one storage
    return "document" in globalThis ? (localStorage ?? null) : null;
  } catch {
    return null; // the page may not use the storage, for example in a sandboxed frame
  }
}

