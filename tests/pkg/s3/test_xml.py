from __future__ import annotations

from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.xml import MAX_DEPTH, NAMESPACE, document, error_document, parse


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_makes_a_document_that_a_parser_reads(text: str) -> None:
    found = ElementTree.fromstring(document("List", [("Key", text), ("Inner", [("Key", text)])]))

    keys = [element.text or "" for element in found.iter(f"{{{NAMESPACE}}}Key")]
    assert len(keys) == 2
    assert all(len(key) == len(text) for key in keys)
    assert all(a in (b, "\ufffd") for key in keys for a, b in zip(key, text, strict=True))


def test_marks_of_xml_and_carriage_returns_come_back() -> None:
    text = '<a href="&amp;">\'\r\n\t]]>é'

    assert ElementTree.fromstring(document("Key", text)).text == text


def test_a_character_that_xml_forbids_is_replaced() -> None:
    assert ElementTree.fromstring(document("Key", "a\x00\x0b\ud800\ufffeb")).text == "a\ufffd\ufffd\ufffd\ufffdb"


def test_an_error_names_its_code_its_resource_and_its_request() -> None:
    found = ElementTree.fromstring(error_document(S3Error("NoSuchKey", "No <key>", Key="a&b"), "/b/a&b", "req_1"))

    assert {element.tag: element.text for element in found} == {
        "Code": "NoSuchKey",
        "Message": "No <key>",
        "Key": "a&b",
        "Resource": "/b/a&b",
        "RequestId": "req_1",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"<A><B>x</B></A>",
        b'<?xml version="1.0"?>\n<A xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><B>x</B></A>\n',
        b'<s:A xmlns:s="urn:a"><s:B c="d">x</s:B></s:A>',
        '<?xml version="1.0" encoding="UTF-16"?><A><B>x</B></A>'.encode("utf-16"),
    ],
)
def test_a_document_is_read_with_and_without_namespaces(body: bytes) -> None:
    assert parse(body, "A", 1000).one("B") == "x"


DEEP = b"<A>" * (MAX_DEPTH + 1) + b"</A>" * (MAX_DEPTH + 1)


@pytest.mark.parametrize(
    "body",
    [
        b"text",
        b"<A>",
        b"<B/>",
        b"<A></A><A></A>",
        b'<!DOCTYPE A [<!ENTITY a "aaa">]><A>&a;</A>',
        b'<!DOCTYPE A SYSTEM "file:///etc/passwd"><A/>',
        b"<!DOCTYPE A><A/>",
        b"<A>&nosuch;</A>",
        b"<?php x?><A/>",
        b"<A>\xff</A>",
        b'<?xml version="1.0" encoding="nosuch"?><A/>',
        b'<?xml version="1.0" encoding="utf-7"?><A/>',
        b'<?xml version="1.0" encoding="rot13"?><A/>',
        b"<A>&#0;</A>",
        b"<x:A/>",
        b"<A>" + b" " * 1000 + b"</A>",
        DEEP,
    ],
)
def test_a_hostile_document_is_refused(body: bytes) -> None:
    with pytest.raises(S3Error, match="MalformedXML"):
        parse(body, "A", 1000)


def test_an_empty_body_is_named() -> None:
    with pytest.raises(S3Error, match="MissingRequestBodyError"):
        parse(b"", "A", 1000)


def test_a_text_in_many_pieces_is_read_whole() -> None:
    assert parse(b"<A>" + b"a<!---->b" * 1000 + b"</A>", "A", 1 << 20).text == "ab" * 1000


@given(st.binary(max_size=60) | st.text("<>/!ABx&;[]- \"'?=", max_size=40).map(str.encode))
def test_no_input_fails_in_another_way(body: bytes) -> None:
    with suppress(S3Error):
        parse(body, "A", 1000)
