"""The examples of all comments, as one program that `npm run types` compiles.

python -m tests.sdk_js.examples     writes sdk/js/types/examples.ts
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.sdk_js.sites import SDK

FILE: Final = SDK / "types/examples.ts"
EXAMPLE: Final = re.compile(r"^ *\* ```tsx?\n(.*?)^ *\* ```", re.MULTILINE | re.DOTALL)
IMPORT: Final = re.compile(r'^import (?:type )?\{ .* \} from "[^"]+";\n', re.MULTILINE)
HEAD: Final = """// Written by `python -m tests.sdk_js.examples` from the comments in src.

import { createAuth } from "../src/auth/index.js";
import { createData } from "../src/data/index.js";
import { createFiles } from "../src/files/index.js";
import { createFunctions } from "../src/functions/index.js";
import { createClient, Problem, type Client, type Transaction } from "../src/index.js";
import { createLive, indexedDBCache, type Live } from "../src/live/index.js";
import { useChannel, useLive, useQuery, useUser } from "../src/react/index.js";
import { type SignedAddress, useFiles, useFileUrl, useUpload } from "../src/react/index.js";
import { createRequestClient, createVerifier, type Verifier } from "../src/server/index.js";
import { createTestClient, createTestServer } from "../src/testing/index.js";

interface Loose {
  [field: string]: any;
}
interface Database {
  [collection: string]: { read: Loose; write: Loose; refs: {} };
}
interface Names {
  client: Client<Database>;
  live: Live<Database>;
  auth: ReturnType<typeof createAuth>;
  tx: Transaction<Database>;
  verifier: Verifier;
  error: Problem;
  request: Request;
  response: Response;
  blob: Blob;
  token: string;
  challenge: string;
  owner: string;
  session: { id: string };
  passkey: { id: string };
  identity: { id: string };
  reload(): Promise<void>;
}
"""
NAME: Final = re.compile(r"^  (\w+)[:(]", re.MULTILINE)
# These examples are JSX.
COMPONENTS: Final = ("useUser(client.auth)",)


def examples(package: Path = SDK) -> Iterator[tuple[str, str]]:
    """Yield the file and the text of each example."""
    for path in sorted(package.glob("src/**/*.ts")):
        for found in EXAMPLE.finditer(path.read_text()):
            text = "".join(re.sub(r"^ *\* ?", "", line) for line in found[1].splitlines(keepends=True))
            if not any(name in text for name in COMPONENTS):
                yield path.relative_to(package).as_posix(), IMPORT.sub("", text).strip()


def source(package: Path = SDK, head: str = HEAD) -> str:
    """Return a program with all examples of a package. `head` declares the names that the examples use, as `Names`."""
    parts = [head]
    for number, (path, text) in enumerate(examples(package)):
        used = [
            name
            for name in NAME.findall(head)
            if re.search(rf"\b{name}\b", text) and not re.search(rf"const [^=]*\b{name}\b[^=]*=", text)
        ]
        begin = f"// {path}\nexport async function example{number}({{ {', '.join(used)} }}: Names) {{\n"
        parts.append(begin + textwrap.indent(text, "  ") + "\n}\n")
    return "\n".join(parts)


def main(file: Path = FILE) -> None:
    file.write_text(source(), "utf-8")


if __name__ == "__main__":
    main()
