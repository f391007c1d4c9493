"""A project of the running server with every credential that a server may have."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.e2e.instance import Instance
from tests.sdk_js import sites
from tests.sdk_js.sites import ESBUILD, ROOT

ADMIN: Final = ROOT / "sdk/admin"
PROGRAMS: Final = Path(__file__).parent / "programs"
SCOPES: Final = ["write", "users:read"]
PEM: Final = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class AdminSite(msgspec.Struct, frozen=True):
    """A project with all credentials. `environment` has the environment variables of the programs."""

    url: str
    environment: dict[str, str]


def prepared(instance: Instance, folder: Path) -> AdminSite:
    """Prepare the project of `tests/sdk_js`, and add service accounts, tokens and keys with scopes."""
    site = sites.prepared(instance)
    account = {"email": "ada@example.com", "password": "correct horse battery"}

    def send(method: str, path: str, body: Any, **headers: str) -> Any:
        return instance.http.request(method, path, json=body, headers=headers).raise_for_status().json()

    owner = {"Authorization": f"Bearer {send('POST', '/api/auth/login', account)['access_token']}"}
    at = f"/api/projects/{site.project}"
    keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }
    known = {**site.environment, "folder": str(folder)}
    made = send("POST", f"{at}/service-accounts", {"name": "secret", "scopes": SCOPES}, **owner)
    known |= {"clientId": made["client_id"], "clientSecret": made["client_secret"]}
    for kind, key in keys.items():
        public = key.public_key().public_bytes(PEM[0], serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        new = {"name": kind, "scopes": SCOPES, "public_key": public}
        known[f"{kind}Client"] = send("POST", f"{at}/service-accounts", new, **owner)["client_id"]
        known[f"{kind}Key"] = key.private_bytes(*PEM).decode()
    personal = {"name": "ci", "scopes": ["write"], "projects": [site.project]}
    known["personal"] = send("POST", "/api/auth/tokens", personal, **owner)["token"]
    reader = {"kind": "secret", "name": "reader", "scopes": ["data:notes:read"]}
    known["reader"] = send("POST", f"{at}/keys", reader, **owner)["key"]
    return AdminSite(site.url, known)


def bundle(folder: Path) -> Path:
    """Bundle the client as `admin.js`, together with the sources of bunbase-js."""
    options = ["--bundle", "--format=esm", "--target=es2022", f"--outfile={folder / 'admin.js'}", "--log-level=warning"]
    subprocess.run([ESBUILD, ADMIN / "src/index.ts", *options], check=True, cwd=ROOT)
    return folder
