"""A developer deploys the hooks of the guide and names them in bunbase.toml; then people sign up in Chromium."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App
from tests.e2e.instance import poll

GUIDE = Path(__file__).parents[3] / "docs" / "auth" / "hooks.md"
HOOKS = {"before_signup": "gate", "before_token": "plans", "after_signup": "welcome"}
EVE, MALLORY = "eve.hooks@bakery.example", "mallory@throwaway.example"


def write_project(folder: Path, project: str) -> None:
    """Write the functions of the guide, and a bunbase.toml that names them as hooks."""
    (folder / "functions").mkdir()
    for code, name in re.findall(r"```ts\n(// functions/(\w+)\.ts\n.*?)```", GUIDE.read_text("utf-8"), re.DOTALL):
        if name in HOOKS.values():
            (folder / "functions" / f"{name}.ts").write_text(code)
    functions = "".join(f'[functions.{name}]\naccess = "secret"\n' for name in HOOKS.values())
    hooks = "".join(f'{hook} = "{name}"\n' for hook, name in HOOKS.items())
    text = f'[project]\nid = "{project}"\nslug = "bakery"\n\n{functions}\n[auth.hooks]\n{hooks}'
    (folder / "bunbase.toml").write_text(text)


def test_the_hooks_of_the_guide_refuse_a_person_and_give_claims_that_a_rule_reads(
    app_of_another_origin: App, page: Page, tmp_path: Path
) -> None:
    app, bunbase = app_of_another_origin, app_of_another_origin.instance.bunbase
    write_project(tmp_path, app.project)
    bunbase("login", "--email", "ada@example.com", cwd=tmp_path)
    early = bunbase("auth", "push", cwd=tmp_path, code=1)  # Nothing is deployed yet.
    bunbase("deploy", cwd=tmp_path)
    bunbase("auth", "push", cwd=tmp_path)
    app.set_rules(get="auth != null && auth.claims.plan == 'pro' && auth.claims.domain == 'bakery.example'")
    try:
        refused = app.ask(page, "signUp", MALLORY, PASSWORD)
        user = app.ask(page, "signUp", EVE, PASSWORD)["body"]["user"]
        app.give_note(user["id"])
        before = app.reads_note(page, user["id"])
        app.instance.http.put(f"/v1/data/customers/{user['id']}", json={"plan": "pro"}, headers=app.server)
        app.ask(page, "refresh")
        after = app.reads_note(page, user["id"])
        profile: Any = poll(lambda: _profile(app, user["id"]), what="the profile that after_signup writes")
    finally:
        app.set_rules()
        app.change_settings(hooks=None)
    runs = app.instance.bunbase_json("jobs", "runs", "gate", cwd=tmp_path)["items"]

    assert early == ""
    assert (refused["status"], refused["body"]["code"]) == (403, "signup_refused")
    assert refused["body"]["detail"] == "Please use your address at work."
    assert (user["role"], user["claims"]) == ("member", {"domain": "bakery.example"})
    assert (before, after) == (False, True)
    assert profile["owner"] == user["id"]
    assert {(run["kind"], run["outcome"]) for run in runs} == {("hook", "ok")}


def _profile(app: App, user: str) -> Any:
    reply = app.instance.http.get(f"/v1/data/profiles/{user}", headers=app.server)
    return reply.json() if reply.status_code == 200 else None
