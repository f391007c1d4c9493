"""Merge patches: the test vectors of RFC 7396 (appendix A), and numbers that keep their digits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.update.merge_patch import merged

VECTORS = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(("target", "patch", "result"), VECTORS)
def test_the_test_vectors_of_rfc_7396_pass(target: str, patch: str, result: str) -> None:
    assert merged(target.encode(), patch.encode()).decode() == result


def test_a_merge_patch_keeps_the_digits_of_numbers() -> None:
    target = b'{"price":10.50,"big":123456789012345678901234567890,"inner":{"rate":1e2}}'

    assert merged(target, b'{"inner":{"x":0.10}}') == (
        b'{"price":10.50,"big":123456789012345678901234567890,"inner":{"rate":1e2,"x":0.10}}'
    )


@given(JSON, JSON)
def test_a_merge_patch_agrees_with_the_algorithm_of_rfc_7396(target: Any, patch: Any) -> None:
    result = merged(msgspec.json.encode(target), msgspec.json.encode(patch))

    assert msgspec.json.decode(result) == by_the_rfc(target, patch)


def by_the_rfc(target: Any, patch: Any) -> Any:
    """Apply a merge patch by the algorithm of RFC 7396 §2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = by_the_rfc(result.get(name), value)
    return result
