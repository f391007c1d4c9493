"""The problems of deploying, calling and configuring functions."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class FunctionNotFound(Problem):
    status, code, title = 404, "function_not_found", "There is no such function"


class FunctionHasOnlyHooks(Problem):
    """The function runtime raises this problem."""

    status, code, title = 404, "function_has_only_hooks", "This function answers no requests"


class FunctionIsHook(Problem):
    status, code, title = 409, "function_is_hook", "A hook of the project needs this function"


class VersionNotFound(Problem):
    status, code, title = 404, "version_not_found", "This function has no such version"


class VariableNotFound(Problem):
    status, code, title = 404, "variable_not_found", "There is no such environment variable"


class InvalidBundle(Problem):
    status, code, title = 422, "invalid_bundle", "This bundle cannot be deployed"


class FunctionError(Problem):
    """The details are only in the function's log, never in the answer."""

    status, code, title = 500, "function_error", "The function failed"


class FunctionCrashed(Problem):
    status, code, title = 502, "function_crashed", "The function's worker died"


class UpgradeNotSupported(Problem):
    status, code, title = 501, "upgrade_not_supported", "Functions do not support WebSocket"


class FunctionOverloaded(Problem):
    status, code, title = 503, "function_overloaded", "Too many calls of this function are waiting"


class FunctionTimeout(Problem):
    status, code, title = 504, "function_timeout", "The function did not answer in time"


class FunctionCpuExceeded(Problem):
    status, code, title = 504, "function_cpu_exceeded", "The function used all of its CPU time"


class FunctionsUnavailable(Problem):
    status, code, title = 503, "functions_unavailable", "Functions cannot run on this installation"
