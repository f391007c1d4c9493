"""The examples of all comments of bunbase-admin, as one program that `npm run types` compiles.

python -m tests.sdk_admin.examples     writes sdk/admin/types/examples.ts
"""

from __future__ import annotations

from typing import Final

from tests.sdk_admin.sites import ADMIN
from tests.sdk_js import examples

FILE: Final = ADMIN / "types/examples.ts"
HEAD: Final = """// Written by `python -m tests.sdk_admin.examples` from the comments in src.

import { type Admin, createAdmin, createAdminFromEnv } from "../src/index.js";

interface Loose {
  [field: string]: any;
}
interface Database {
  [collection: string]: { read: Loose; write: Loose; refs: {} };
}
interface Names {
  admin: Admin<Database>;
  request: Request;
  secret: string;
  signal: AbortSignal;
  token: string;
  uid: string;
  createReadStream(path: string): AsyncIterable<Uint8Array>;
  writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void>;
}
"""


def source() -> str:
    return examples.source(ADMIN, HEAD)


if __name__ == "__main__":
    FILE.write_text(source(), "utf-8")
