"""bunbase.toml as Structs. The command `bunbase` reads the file with these Structs, and the JSON Schema for editors is
generated from them.

Each collection, function and setting has the form that the API takes, with three differences. A path may replace a long
value. `false` removes a setting, because TOML has no null. The name of an environment variable replaces a secret.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.buncast import ChannelSpec
from bunbase.contracts.bundoc.collections import BeforeWrite, FieldPath, IndexSpec, MaxScan, Rules
from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.contracts.storage import BUCKET_NAME, BucketChanges
from bunbase.contracts.tenant_auth.settings import MAX_PROVIDERS, Captcha, ProjectAuth, UserProvider

COLLECTION_NAME = r"^[a-z][a-z0-9_]{0,62}$"
FUNCTION_NAME = r"^[a-z][a-z0-9-]{0,62}$"
CHANNEL_PATTERN = r"^[^\x00-\x1f\x7f]{1,200}$"
WORD = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"

CollectionKey = Annotated[str, msgspec.Meta(pattern=COLLECTION_NAME)]
FunctionKey = Annotated[str, msgspec.Meta(pattern=FUNCTION_NAME)]
ChannelKey = Annotated[str, msgspec.Meta(pattern=CHANNEL_PATTERN)]
BucketKey = Annotated[str, msgspec.Meta(pattern=BUCKET_NAME)]
TargetKey = Annotated[str, msgspec.Meta(pattern=WORD)]


class ProjectSection(msgspec.Struct, frozen=True):
    """The project of this folder, which `bunbase projects use` writes. `id`: the id of the project, which stays the
    same when the slug changes.
    """

    id: str = ""
    slug: str = ""


class TargetSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another place for this project, which `--target` names.

    `server`: the address of the server. `project`: the id or slug of the project on that server. `profile`: the profile
    of `bunbase login --profile` whose sign-in is used.
    """

    server: str = ""
    project: str = ""
    profile: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$")] = ""


class DeploySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`drop_collections`: if true, `bunbase deploy` drops the collections that this file does not name. Each such
    collection must also be named with `--allow-losing`. `drop_channels`: if true, `bunbase deploy` removes the patterns
    of channels that this file does not name. `drop_buckets`: if true, `bunbase deploy` deletes the empty buckets that
    this file does not name, and refuses to deploy while such a bucket still has files.
    """

    drop_collections: bool = False
    drop_channels: bool = False
    drop_buckets: bool = False


class CollectionSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A collection. Settings that are left out stay as they are on the server.

    `schema`: a JSON Schema (2020-12), the path of a file with it, or `false` for none. `strict`: true if documents may
    have only the fields that the schema names. `rules`: the access rules, the path of a file with them, or `false` for
    none.
    `indexes`: all indexes, or the path of a JSON file with them. `expires`: the path of the field with the time at
    which a document expires, or `false` for none. `before_write`: the function that is called before each write, or
    `false` for none. `before_images`: true if entries of the change log have the document before the change.
    `max_scan`: the number of documents that a query of a caller bound by rules may examine, or `false` for the setting
    of the server.
    """

    schema: dict[str, Any] | str | bool | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    expires: FieldPath | bool | UnsetType = UNSET
    rules: Rules | str | bool | UnsetType = UNSET
    indexes: tuple[IndexSpec, ...] | str | UnsetType = UNSET
    before_write: BeforeWrite | bool | UnsetType = UNSET
    before_images: bool | UnsetType = UNSET
    max_scan: MaxScan | bool | UnsetType = UNSET


class FunctionSection(FunctionConfig, frozen=True, forbid_unknown_fields=True):
    """The settings of one function. `entry`: the function's file, relative to bunbase.toml; None for the default
    file.
    """

    entry: str | None = None


class FromEnvironment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of the environment variable that has the secret."""

    env: str


class ProviderSection(UserProvider, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A service by which users sign in."""

    client_secret: FromEnvironment | None = None


class CaptchaSection(Captcha, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The captcha of sign-ups and sign-ins."""

    secret: FromEnvironment | None = None


class AuthSection(ProjectAuth, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings for the users of the app. Settings that are left out stay as they are on the server."""

    providers: Annotated[dict[str, ProviderSection], msgspec.Meta(max_length=MAX_PROVIDERS)] = msgspec.field(  # type: ignore[assignment]  # only read
        default_factory=dict
    )
    captcha: CaptchaSection = msgspec.field(default_factory=CaptchaSection)


class ProjectTables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole bunbase.toml. `server`: the settings of the server, which the house reads."""

    project: ProjectSection = ProjectSection()
    target: dict[TargetKey, TargetSection] = {}
    deploy: DeploySection = DeploySection()
    collections: dict[CollectionKey, CollectionSection] = {}
    channels: dict[ChannelKey, ChannelSpec] = {}
    buckets: dict[BucketKey, BucketChanges] = {}
    functions: dict[FunctionKey, FunctionSection] = {}
    auth: AuthSection = msgspec.field(default_factory=AuthSection)
    server: dict[str, dict[str, Any]] = {}
