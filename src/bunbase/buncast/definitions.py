"""The definitions of a project's channels, compiled."""

from __future__ import annotations

from typing import Final, get_args

from bunbase.buncast.patterns import BadName, Pattern, parse_pattern
from bunbase.buncast.rules import Act, ChannelRule
from bunbase.contracts.buncast import MAX_PATTERNS, ChannelSpec, InvalidChannel
from bunbase.pkg.rules.pattern_total import PatternTotal
from bunbase.pkg.rules.refusal import InvalidRule

ACTS: Final[tuple[Act, ...]] = get_args(Act)


class ChannelKind:
    """The compiled definition of one pattern."""

    def __init__(self, pattern: Pattern, spec: ChannelSpec) -> None:
        """Compile a definition. Raises: InvalidRule."""
        self.pattern = pattern
        self.presence = spec.presence
        self.history = spec.history
        self.rules: dict[Act, ChannelRule] = {}
        patterns = PatternTotal()
        for act in ACTS:
            if (source := getattr(spec.rules, act)) is not None:
                try:
                    self.rules[act] = ChannelRule(source, act, pattern.names, patterns)
                except InvalidRule as problem:
                    problem.detail = f"{pattern.source}, rule {act}: {problem.detail}"
                    problem.extra.update(pattern=pattern.source, rule=act)
                    raise


UNDEFINED: Final = ChannelKind(Pattern("", (), ()), ChannelSpec())  # A channel that matches no pattern has this kind.


class Definitions:
    def __init__(self, specs: dict[str, ChannelSpec]) -> None:
        """Compile all definitions. Raises: InvalidChannel, InvalidRule."""
        self.specs = specs
        self._by_length: dict[int, list[ChannelKind]] = {}
        if len(specs) > MAX_PATTERNS:
            raise InvalidChannel(f"A project has at most {MAX_PATTERNS} patterns of channels.", path="/channels")
        for source, spec in specs.items():
            pattern = _parsed(source)
            self._by_length.setdefault(len(pattern.segments), []).append(ChannelKind(pattern, spec))
        for kinds in self._by_length.values():
            kinds.sort(key=lambda kind: kind.pattern.rank)
            _check_different(kinds)

    def of(self, name: str) -> tuple[ChannelKind, dict[str, str]]:
        """Return the kind of the channel `name`, and its parameters. The most literal matching pattern decides."""
        segments = name.split("/")
        for kind in self._by_length.get(len(segments), ()):
            if (params := kind.pattern.params(segments)) is not None:
                return kind, params
        return UNDEFINED, {}


def _parsed(source: str) -> Pattern:
    try:
        return parse_pattern(source)
    except BadName as trouble:
        raise InvalidChannel(str(trouble), path=_pointer(source[:200])) from None


def _check_different(kinds: list[ChannelKind]) -> None:
    """Refuse equal patterns.

    Raises: InvalidChannel if two patterns match the same names, and neither is more literal.
    """
    seen: dict[tuple[str | None, ...], str] = {}
    for kind in kinds:
        if (other := seen.get(kind.pattern.segments)) is not None:
            message = f"{other} and {kind.pattern.source} match the same names: keep one of them."
            raise InvalidChannel(message, path=_pointer(kind.pattern.source))
        seen[kind.pattern.segments] = kind.pattern.source


def _pointer(source: str) -> str:
    """Return the JSON Pointer of a pattern in the body."""
    return "/channels/" + source.replace("~", "~0").replace("/", "~1")
