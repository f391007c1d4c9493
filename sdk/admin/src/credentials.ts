/** The credentials of a server, from options or from the environment. */

import { invalidValue } from "bunbase-js/internal";

/** A service account with a secret. `scopes`: a part of the account's scopes. */
export interface ClientSecret {
  clientId: string;
  clientSecret: string;
  scopes?: readonly string[] | undefined;
}

/** A service account with a key pair. `privateKey`: PEM in PKCS #8, RSA or EC on P-256. */
export interface ClientKey {
  clientId: string;
  privateKey: string;
  scopes?: readonly string[] | undefined;
  /** The public address of the server, if you reach it at another address. */
  audience?: string | undefined;
}

export type ServiceAccount = ClientSecret | ClientKey;

/** A secret key (`sk_…`), a personal access token (`bpt_…`, with the option `project`), a service account, or a service token. */
export type Credential = string | ServiceAccount;

/** @internal */
export type Known =
  | { kind: "key"; key: string }
  | { kind: "personal"; token: string; project: string }
  | { kind: "token"; token: string }
  | { kind: "service"; account: ServiceAccount };

/** The server and the credential from environment variables. @internal */
export interface Found {
  url: string;
  credential: Credential;
  project: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;
interface FileSystem {
  stat(path: string): Promise<{ mode: number }>;
  readFile(path: string, encoding: "utf8"): Promise<string>;
}
/** The part of Node's `process` that is used. Bun and Deno have this object too. */
interface Process {
  env?: Environment;
  platform?: string;
  getBuiltinModule?(name: "node:fs/promises"): FileSystem;
}

const WAYS = ["BUNBASE_SECRET_KEY", "BUNBASE_SERVICE_ACCOUNT", "BUNBASE_TOKEN"] as const;
const OTHERS_MAY = 0o077;

/** Checks the form of a credential, without a request. @internal */
export function known(credential: Credential, project: string | undefined): Known {
  if (typeof credential === "object" && credential !== null) return { kind: "service", account: checked(credential) };
  if (typeof credential !== "string" || !credential) throw refused("It is missing. Pass a secret key (sk_…) or a service account.");
  if (credential.startsWith("pk_")) throw refused("This is a publishable key. Servers need the secret key (sk_…).");
  if (credential.startsWith("sk_")) return { kind: "key", key: credential };
  if (credential.startsWith("eyJ")) return { kind: "token", token: credential };
  if (!credential.startsWith("bpt_"))
    throw refused("A secret key begins with sk_, a personal access token with bpt_, and a service token with eyJ.");
  if (!project) throw invalidValue("project", "A personal access token needs the option project: an id or a slug.");
  return { kind: "personal", token: credential, project };
}

function checked(account: ServiceAccount): ServiceAccount {
  const { clientId, clientSecret, privateKey } = account as Partial<ClientSecret & ClientKey>;
  if (typeof clientId !== "string" || !clientId) throw refused("A service account has a clientId.");
  const given = [clientSecret, privateKey].filter((one) => typeof one === "string" && one !== "");
  if (given.length !== 1) throw refused("A service account has either a clientSecret or a privateKey.");
  return account;
}

function refused(message: string): Error {
  return invalidValue("credential", message);
}

/** Reads the server and the credential from the environment. @internal */
export async function fromEnvironment(environment: Environment = environmentOf()): Promise<Found> {
  const set = WAYS.filter((name) => environment[name]);
  if (set.length !== 1) throw invalidValue("environment", `Set one of ${WAYS.join(", ")}; ${set.length ? set.join(" and ") : "none"} is set.`);
  const { BUNBASE_URL: url = "", BUNBASE_PROJECT: project } = environment;
  if (set[0] === "BUNBASE_SERVICE_ACCOUNT") return fromFile(environment[set[0]]!, url, project);
  if (!url) throw invalidValue("BUNBASE_URL", "Set it to the address of the server, such as https://api.example.com.");
  return { url, credential: environment[set[0]!]!, project };
}

function environmentOf(): Environment {
  return thisProcess().env ?? {};
}

function thisProcess(): Process {
  return (globalThis as { process?: Process }).process ?? {};
}

async function fromFile(path: string, url: string, project: string | undefined): Promise<Found> {
  const wrong = (message: string, cause?: unknown) => invalidValue("BUNBASE_SERVICE_ACCOUNT", `${path}: ${message}`, cause);
  let text: string;
  try {
    const { platform, getBuiltinModule } = thisProcess();
    // `getBuiltinModule` instead of an import, because bundlers for platforms without files would try to resolve an
    // import
    const files = getBuiltinModule?.("node:fs/promises");
    if (!files) throw wrong("This runtime reads no files. Use Node 20.16 or later, Bun or Deno, or BUNBASE_SECRET_KEY.");
    const { stat, readFile } = files;
    if (platform !== "win32" && (await stat(path)).mode & OTHERS_MAY) throw wrong(`Others may read this file. Run: chmod 600 ${path}`);
    text = await readFile(path, "utf8");
  } catch (error) {
    throw error instanceof Error && error.name === "Problem" ? error : wrong("The file cannot be read.", error);
  }
  const file = objectIn(text, wrong);
  const server = url || file["url"];
  if (!server) throw wrong("The file has no url. Set BUNBASE_URL, or add it.");
  const { client_id: clientId = "", client_secret: clientSecret, private_key: privateKey } = file;
  const credential = (privateKey ? { clientId, privateKey } : { clientId, clientSecret }) as ServiceAccount;
  return { url: server, credential, project: project ?? file["project"] };
}

function objectIn(text: string, wrong: (message: string) => Error): Record<string, string | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("The file is no JSON."); // the error has no `cause`, because the cause may contain the secret
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const all = isObject ? Object.values(value as object) : [null];
  if (all.some((one) => typeof one !== "string")) throw wrong("The file is no JSON object of texts.");
  return value as Record<string, string>;
}
