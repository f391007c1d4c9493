/**
 * The file name that a bundle sees as its own: `/function.js` in the folder `/`.
 *
 * The real values are the folders of the installation. These paths are useless for functions, and would appear in
 * answers and logs. This module hides them from ordinary code. Code that searches for them can still find them, for
 * example in the text of a stack.
 */

export const FILE = "/function.js";
export const FOLDER = "/";

const URL_OF_FILE = `file://${FILE}`;

/**
 * `import.meta` of every file of a bundle. `bunbase deploy` (cli/bundle.py) writes this name in place of `import.meta`,
 * because a bundle is a script, and scripts have no `import.meta`.
 */
export const META_NAME = "__bunbase_import_meta__";

/** Replaces the members of `process` that name folders of the installation, and provides `import.meta`. */
export function hideInstallation(require: (name: string) => unknown): void {
  process.argv.splice(0, process.argv.length, "bun", FILE);
  process.execArgv.splice(0, process.execArgv.length);
  set(process, "argv0", "bun");
  set(process, "execPath", "/bun");
  set(process, "cwd", () => FOLDER);
  set(globalThis, META_NAME, importMeta(require));
}

function importMeta(require: (name: string) => unknown): object {
  return Object.freeze({
    url: URL_OF_FILE,
    path: FILE,
    filename: FILE,
    file: FILE.slice(1),
    dir: FOLDER,
    dirname: FOLDER,
    main: false, // some packages run as a program if this value is true
    env: process.env,
    require,
    resolve,
    resolveSync: resolve,
  });
}

/** Resolves only URLs, because a bundle is one file: its folder has no package and no other file. */
function resolve(name: string): string {
  if (/^\.{0,2}\//.test(name) || URL.canParse(name)) return new URL(name, URL_OF_FILE).href;
  throw new Error(`import.meta.resolve cannot find ${name}: a function is one file. Import the package instead.`);
}

function set(owner: object, name: string, value: unknown): void {
  Object.defineProperty(owner, name, { value, writable: true, configurable: true });
}
