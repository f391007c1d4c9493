"""Make clients from the OpenAPI document with three generators, compile them, and call a real server with each.

    make clients

The generators are pinned, and are installed outside the workspace: in the folder BUNBASE_CLIENTS, by default
~/.cache/bunbase-clients. Needs Node 20, Go and a network for the first run. The command also checks the document with
openapi-spec-validator, which knows the meta-schema of OpenAPI 3.1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bunbase.house.generate import openapi_document
from tests.e2e.instance import SETUP_TOKEN, Instance

HERE: Final = Path(__file__).parent
TOOLS: Final = Path(os.environ.get("BUNBASE_CLIENTS") or Path.home() / ".cache" / "bunbase-clients")
STEP_SECONDS: Final = 900.0
RULES: Final[dict[str, Any]] = {"rules": {}}
ACCOUNT: Final = {"email": "ada@example.com", "password": "correct horse battery", "setup_token": SETUP_TOKEN}


def typescript(document: Path, server: dict[str, str]) -> None:
    work = workspace("typescript")
    step(work, "npm", "ci", "--silent")
    step(work, "npx", "openapi-typescript", document, "-o", "api.ts")
    step(work, "npx", "tsc")
    step(work, "node", "out/main.js", **server)


def python(document: Path, server: dict[str, str]) -> None:
    work = workspace("python")
    step(work, sys.executable, "-m", "venv", "venv")
    bin = work / "venv" / "bin"
    step(work, bin / "pip", "install", "-q", "--require-hashes", "-r", "requirements.txt")
    step(work, bin / "openapi-spec-validator", "--schema", "3.1.0", document)
    path = f"{bin}:{os.environ['PATH']}"  # The generator formats its files with ruff.
    out = ("--meta", "none", "--overwrite", "--config", "config.yaml", "--output-path", "bunbase_client")
    step(work, bin / "openapi-python-client", "generate", "--path", document, *out, PATH=path)
    step(work, bin / "mypy", "--strict", "--follow-imports=silent", "main.py")
    step(work, bin / "python", "main.py", **server)


def go(document: Path, server: dict[str, str]) -> None:
    work = workspace("go")
    (work / "bunbase").mkdir(exist_ok=True)
    options = ("-generate", "types,client", "-package", "bunbase", "-o", "bunbase/client.go")
    step(work, "go", "tool", "oapi-codegen", *options, document)
    step(work, "go", "vet", ".")
    step(work, "go", "run", ".", **server)


CLIENTS: Final[tuple[Callable[[Path, dict[str, str]], None], ...]] = (typescript, python, go)


def workspace(language: str) -> Path:
    """Copy the program of a language to the folder of its tools, and return this folder."""
    return shutil.copytree(HERE / language, TOOLS / language, dirs_exist_ok=True)


def step(work: Path, *command: str | Path, **environment: str) -> None:
    """Run a command in a folder. Raises: CalledProcessError, TimeoutExpired."""
    sys.stdout.write(f"· {work.name}: {' '.join(str(part) for part in command)}\n")
    sys.stdout.flush()
    subprocess.run(command, cwd=work, env=os.environ | environment, check=True, timeout=STEP_SECONDS)


def secret_key(instance: Instance) -> str:
    """Register a developer, create a project with the collection `posts`, and return the secret key."""

    def post(path: str, body: Any, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return instance.http.post(path, json=body, headers=headers).raise_for_status().json()

    token = post("/api/auth/register", ACCOUNT)["access_token"]
    keys = {key["kind"]: key["key"] for key in post("/api/projects", {"name": "Bakery"}, token)["keys"]}
    made = instance.http.put("/v1/collections/posts", json=RULES, headers={"X-Bunbase-Key": keys["secret"]})
    made.raise_for_status()
    return str(keys["secret"])


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bunbase-clients-") as temporary:
        home = Path(temporary)
        document = home / "openapi.json"
        document.write_text(openapi_document(), "utf-8")
        instance = Instance("one", home)
        try:
            instance.start()
            server = {"BUNBASE_URL": instance.url, "BUNBASE_KEY": secret_key(instance)}
            for make_and_call in CLIENTS:
                make_and_call(document, server)
        finally:
            instance.close()
    sys.stdout.write("All clients compile, and each has written and found a document.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
