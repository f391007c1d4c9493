"""The table of hostile sizes: the maximum size of the body in bytes, for each route.

`tests/e2e/test_every_route.py` sends to each route a body with one byte more, a body with NESTED open brackets, and
names and parameters of LONG characters. The route must answer each request with a status below 500.
"""

from __future__ import annotations

from typing import Final

LONG: Final = 10_000  # characters of one name in a path, or of one parameter
NESTED: Final = 100_000  # brackets that are never closed

USUAL: Final = 2 << 20  # `gateway.max_body_bytes`
RPC: Final = 256 << 10
DEPLOYMENT: Final = 31 << 20
STREAMED: Final = -1  # the body may have any size, because the route reads it piece by piece
NOTHING: Final = 0  # the route discards any body

P: Final = "/api/projects/{project}"
FUNCTION: Final = f"{P}/functions/{{name}}"
CALL: Final = "/v1/functions/{name}"

BODY_BYTES: Final[dict[tuple[str, str], int]] = {
    ("POST", "/rpc"): RPC,
    ("PUT", FUNCTION): DEPLOYMENT,
    ("POST", f"{P}/import"): STREAMED,
    ("POST", "/v1/import"): STREAMED,
    ("POST", "/v1/auth/token"): STREAMED,  # it refuses a body of more than 32 KiB with an error of RFC 6749
    **{(method, CALL + below): STREAMED for method in ("POST", "PUT", "PATCH") for below in ("", "/{path}")},
    **{(method, CALL + below): NOTHING for method in ("GET", "HEAD", "OPTIONS", "DELETE") for below in ("", "/{path}")},
    **dict.fromkeys(
        (
            ("POST", "/api/auth/register"),
            ("POST", "/api/auth/login"),
            ("POST", "/api/auth/refresh"),
            ("POST", "/api/auth/tokens"),
            ("POST", "/api/projects"),
            ("PATCH", P),
            ("DELETE", P),
            ("POST", f"{P}/keys"),
            ("PATCH", f"{P}/keys/{{key_id}}"),
            ("POST", f"{P}/keys/{{key_id}}/rotate"),
            ("POST", f"{P}/service-accounts"),
            ("PUT", f"{P}/env/{{name}}"),
            ("POST", f"{FUNCTION}/rollback"),
            ("POST", f"{P}/jobs"),
            ("POST", f"{P}/backups/restore"),
            ("PUT", f"{P}/backups/schedule"),
            ("POST", "/v1/jobs"),
            ("POST", "/v1/auth/signup"),
            ("POST", "/v1/auth/login"),
            ("POST", "/v1/auth/login/custom-token"),
            ("POST", "/v1/auth/refresh"),
            ("PATCH", "/v1/auth/me"),
            ("POST", "/v1/auth/users"),
            ("PATCH", "/v1/auth/users/{user_id}"),
            ("POST", "/v1/auth/custom-token"),
            ("PUT", "/v1/collections/{collection}"),
            ("POST", "/v1/collections/{collection}/misfits"),
            ("POST", "/v1/rules/test"),
            ("POST", "/v1/data/{collection}"),
            ("PUT", "/v1/data/{collection}/{id}"),
            ("PATCH", "/v1/data/{collection}/{id}"),
            ("POST", "/v1/data/{collection}/query"),
            ("POST", "/v1/data/{collection}/aggregate"),
            ("POST", "/v1/commit"),
        ),
        USUAL,
    ),
    **dict.fromkeys(
        (
            ("GET", "/api/health"),
            ("GET", "/api/ready"),
            ("GET", "/api/instance"),
            ("GET", "/.well-known/jwks.json"),
            ("GET", "/.well-known/openid-configuration"),
            ("POST", "/api/auth/logout"),
            ("GET", "/api/auth/me"),
            ("GET", "/api/auth/tokens"),
            ("DELETE", "/api/auth/tokens/{token_id}"),
            ("GET", "/api/projects"),
            ("GET", P),
            ("GET", f"{P}/keys"),
            ("DELETE", f"{P}/keys/{{key_id}}"),
            ("GET", f"{P}/service-accounts"),
            ("DELETE", f"{P}/service-accounts/{{client_id}}"),
            ("GET", f"{P}/data-key"),
            ("POST", f"{P}/data-key/rotate"),
            ("GET", f"{P}/backups"),
            ("POST", f"{P}/backups"),
            ("GET", f"{P}/backups/schedule"),
            ("DELETE", f"{P}/backups/schedule"),
            ("GET", f"{P}/backups/jobs/{{job}}"),
            ("GET", f"{P}/backups/{{backup}}"),
            ("DELETE", f"{P}/backups/{{backup}}"),
            ("POST", f"{P}/backups/{{backup}}/verify"),
            ("GET", f"{P}/export"),
            ("GET", f"{P}/env"),
            ("DELETE", f"{P}/env/{{name}}"),
            ("GET", f"{P}/functions"),
            ("GET", FUNCTION),
            ("DELETE", FUNCTION),
            ("GET", f"{FUNCTION}/versions"),
            ("GET", f"{FUNCTION}/versions/{{version}}/bundle"),
            ("GET", f"{FUNCTION}/logs"),
            ("GET", f"{FUNCTION}/runs"),
            ("GET", f"{FUNCTION}/stats"),
            ("GET", f"{P}/logs"),
            ("GET", f"{P}/usage"),
            ("GET", f"{P}/schedules"),
            ("GET", f"{P}/jobs"),
            ("GET", f"{P}/jobs/{{job_id}}"),
            ("POST", f"{P}/jobs/{{job_id}}/replay"),
            ("DELETE", f"{P}/jobs/{{job_id}}"),
            ("POST", "/v1/auth/logout"),
            ("GET", "/v1/auth/me"),
            ("GET", "/v1/auth/jwks.json"),
            ("GET", "/v1/auth/users"),
            ("GET", "/v1/auth/users/{user_id}"),
            ("DELETE", "/v1/auth/users/{user_id}"),
            ("GET", "/v1/auth/users/{user_id}/sessions"),
            ("DELETE", "/v1/auth/users/{user_id}/sessions"),
            ("GET", "/v1/collections"),
            ("GET", "/v1/collections/{collection}"),
            ("DELETE", "/v1/collections/{collection}"),
            ("GET", "/v1/data/{collection}"),
            ("GET", "/v1/data/{collection}/{id}"),
            ("DELETE", "/v1/data/{collection}/{id}"),
            ("GET", "/v1/changes"),
            ("GET", "/v1/export"),
        ),
        NOTHING,
    ),
}
