"""The templates of `bunbase functions new` work without changes."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.cli.bundle import bundle
from bunbase.cli.functions_new import SETTINGS, Template
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, Answer, call, log_of, request

TEMPLATES = resources.files("bunbase.cli") / "templates"
ROOT = Path(__file__).parents[3]
SECRET = "shared by both"


async def deployed(functions: FunctionsService, folder: Path, template: Template) -> None:
    entry = folder / f"{template}.ts"
    entry.write_text((TEMPLATES / entry.name).read_text("utf-8"))
    made = bundle(entry)
    config = msgspec.convert(SETTINGS[template] | {"on": []}, FunctionConfig)  # Bundoc does not run in this test.
    await functions.deploy(MEMBER, template, Bundle(made.code, made.source_map, config))


async def posted(functions: FunctionsService, name: str, body: bytes, **headers: str) -> Answer:
    return await call(functions, name, request(method="POST", body=body, **headers))


@pytest.mark.parametrize("template", Template)
async def test_every_template_can_be_deployed_and_answers(
    functions: FunctionsService, tmp_path: Path, template: Template
) -> None:
    await deployed(functions, tmp_path, template)

    answer = await call(functions, template)

    assert answer.head.status < 500 or (template, answer.head.status) == (Template.WEBHOOK, 503)


async def test_the_webhook_accepts_only_signed_requests(functions: FunctionsService, tmp_path: Path) -> None:
    await functions.set_variable(MEMBER, "WEBHOOK_SECRET", SECRET)
    await deployed(functions, tmp_path, Template.WEBHOOK)
    body = b'{"event":"paid"}'
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()

    signed = await posted(functions, "webhook", body, x_signature=f"sha256={signature}")
    forged = await posted(functions, "webhook", body + b" ", x_signature=f"sha256={signature}")
    unsigned = await posted(functions, "webhook", body)
    got = await call(functions, "webhook")

    assert [answer.head.status for answer in (signed, forged, unsigned, got)] == [204, 401, 401, 405]
    assert [line.level for line in await log_of(functions, "webhook")] == ["info", "warn", "warn"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"op": "create", "collection": "posts", "id": "1", "rev": 1, "document": {"a": 1}}, 204, "posts/1 { a: 1 }"),
        ({"op": "delete", "collection": "posts", "id": "1", "rev": 2}, 204, "posts/1 is deleted"),
        ({"op": "other"}, 400, ""),
    ],
)
async def test_the_data_template_distinguishes_operations(
    functions: FunctionsService, tmp_path: Path, change: dict[str, Any], status: int, said: str
) -> None:
    await deployed(functions, tmp_path, Template.DATA)

    answer = await posted(functions, "data", msgspec.json.encode(change))

    assert answer.head.status == status
    assert [line.text for line in await log_of(functions, "data")] == ([said] if said else [])


def test_the_templates_pass_the_strictest_type_check(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    shutil.copy(str(TEMPLATES / "tsconfig.json"), tmp_path)
    for template in Template:
        shutil.copy(str(TEMPLATES / f"{template}.ts"), tmp_path / "functions")

    done = subprocess.run(
        [ROOT / "node_modules/.bin/tsc", "-p", tmp_path], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
