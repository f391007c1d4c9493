"""Change the settings of a project with a merge patch (RFC 7396). Secrets are separated, and stored sealed.

The patch is merged into the stored JSON, and not into the Struct, because a newer process may have stored fields that
this process does not know.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final, get_args, get_type_hints

import msgspec

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.json_bodies import fault_in
from bunbase.tenant_auth.passkey_settings import check_passkeys
from bunbase.tenant_auth.settings_checks import check_meaning

MAX_BYTES: Final = 64 << 10
MAX_SECRET: Final = 10_000  # A secret has at most this many characters. A private key of Apple has about 250.
PROVIDER_SECRET: Final = "client_secret"
CAPTCHA_SECRET: Final = "secret"

Json = dict[str, Any]
Secrets = dict[str, str | None]  # The value None means that the secret is deleted.


def split(patch: Json) -> tuple[Json, Secrets]:
    """Return the patch without its secrets, and the secrets by their names. Raises: InvalidInput."""
    plain, secrets = dict(patch), Secrets()
    if isinstance(captcha := plain.get("captcha"), dict) and CAPTCHA_SECRET in captcha:
        plain["captcha"] = captcha = dict(captcha)
        secrets["captcha"] = _secret("/captcha/secret", captcha.pop(CAPTCHA_SECRET))
    if isinstance(providers := plain.get("providers"), dict):
        plain["providers"] = providers = dict(providers)
        for name, provider in providers.items():
            if isinstance(provider, dict) and PROVIDER_SECRET in provider:
                providers[name] = provider = dict(provider)
                at = f"/providers/{name}/{PROVIDER_SECRET}"
                secrets[f"providers.{name}"] = _secret(at, provider.pop(PROVIDER_SECRET))
    return plain, secrets


def merged(target: Any, patch: Any) -> Any:
    """Return `target` with the patch applied (RFC 7396 §2)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def checked(patch: Json, result: Json, public_url: str) -> ProjectAuth:
    """Return the settings after a patch. `public_url`: the URL of this installation.

    Raises: InvalidInput, which names the wrong field.
    """
    _refuse_unknown(patch, ProjectAuth, "")
    if len(msgspec.json.encode(result)) > MAX_BYTES:
        raise InvalidInput(f"The settings of a project have at most {MAX_BYTES} bytes of JSON.")
    try:
        settings = msgspec.convert(known(result), ProjectAuth)
    except msgspec.ValidationError as error:
        raise InvalidInput.at(*fault_in(error, ProjectAuth)) from None
    check_meaning(settings, public_url)
    check_passkeys(settings)
    return settings


def known(stored: Any, kind: Any = ProjectAuth) -> Any:
    """Return stored settings without the fields that this version does not know."""
    if not isinstance(stored, dict):
        return stored
    struct = _struct_in(kind)
    if struct is None:
        return stored
    if struct is not kind:  # Here, `kind` is a dict of Structs by name.
        return {name: known(one, struct) for name, one in stored.items()}
    fields = _fields(struct)
    return {name: known(one, fields[name]) for name, one in stored.items() if name in fields}


def _refuse_unknown(patch: Any, kind: Any, at: str) -> None:
    """Refuse unknown fields. Raises: InvalidInput for a field that does not exist.

    `kind`: a Struct, or a dict of Structs by name.
    """
    struct = _struct_in(kind)
    if not isinstance(patch, dict) or struct is None:
        return
    if struct is not kind:
        for name, one in patch.items():
            _refuse_unknown(one, struct, f"{at}/{name}")
        return
    fields = _fields(struct)
    for name, value in patch.items():
        if name not in fields:
            near = get_close_matches(name, fields, 1)
            advice = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(fields))}."
            raise InvalidInput.at(f"{at}/{name}", f"There is no such setting.{advice}")
        _refuse_unknown(value, fields[name], f"{at}/{name}")


def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the types of a Struct's fields, by their names in JSON."""
    hints = get_type_hints(struct)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct in a type, which is a Struct or a dict of Structs.

    Return None for all other types.
    """
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def _secret(at: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and 0 < len(value) <= MAX_SECRET):
        return value
    raise InvalidInput.at(at, f"A secret is a text of at most {MAX_SECRET} characters; null removes it.")
