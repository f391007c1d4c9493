"""Each scheme with published vectors, and the limits of the costs."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import suppress

import bcrypt
import pytest
from argon2.low_level import Type, hash_secret
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.password_hashes.bcrypt_hash import LETTERS
from bunbase.pkg.password_hashes.limits import MAX_ARGON2_WORK, MAX_TEXT, UnusableHash
from bunbase.pkg.password_hashes.reading import read_hash
from tests.seeds import examples


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def hex64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


SIGNER_KEY = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
FIREBASE = (  # This is the example of github.com/firebase/scrypt.
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={SIGNER_KEY}$42xEC+ixf3L2lw==$"
    "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)
SCRYPT = (  # This is the example of RFC 7914 §12.
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d"
    "8360cbdfa2cc0640",
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40"
    "dfcf017b45575887",
)
PBKDF2_SHA256 = (  # This is the example of RFC 7914 §11.
    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd5"
    "09112041d3a19783"
)
PBKDF2_SHA512 = (
    "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe943c08f050235d7d68b1da5"
    "5e63f73b60a57fce"
)

VECTORS = {
    "bcrypt 2a, of jBCrypt": ("$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc"),
    "bcrypt 2a, of crypt_blowfish": ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    "bcrypt 2y, of crypt_blowfish": ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    "argon2i, of the reference": (
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "password",
    ),
    "argon2id, of the reference": (
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "password",
    ),
    "scrypt with 16 lanes, RFC 7914": (f"$scrypt$ln=10,r=8,p=16${b64('NaCl')}${hex64(SCRYPT[0])}", "password"),
    "scrypt, RFC 7914": (f"$scrypt$ln=14,r=8,p=1${b64('SodiumChloride')}${hex64(SCRYPT[1])}", "pleaseletmein"),
    "firebase": (FIREBASE, "user1password"),
    "pbkdf2-sha1, RFC 6070": (
        f"$pbkdf2-sha1$i=4096${b64('salt')}${hex64('4b007901b765489abead49d926f721d065a429c1')}",
        "password",
    ),
    "pbkdf2-sha1 as passlib writes it": (
        f"$pbkdf2$4096$c2FsdA${hex64('4b007901b765489abead49d926f721d065a429c1')}",
        "password",
    ),
    "pbkdf2-sha256, RFC 7914": (f"$pbkdf2-sha256$i=1,l=64${b64('salt')}${hex64(PBKDF2_SHA256)}", "passwd"),
    "pbkdf2-sha512": (f"$pbkdf2-sha512$i=1${b64('salt')}${hex64(PBKDF2_SHA512)}", "password"),
}


@pytest.mark.parametrize(("text", "password"), VECTORS.values(), ids=VECTORS.keys())
def test_a_published_vector_matches_its_password_alone_also_after_it_was_stored(text: str, password: str) -> None:
    stored = read_hash(read_hash(text).text)

    assert stored.matches(password)
    assert not stored.matches(password + "x")
    assert not stored.matches("")


SALT, HASH = b64("sixteen bytes of"), b64("sixteen bytes of")
BARE_SALT, BARE_HASH = SALT.rstrip("="), HASH.rstrip("=")
REFUSED = {
    "bcrypt of cost 15": ("$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "4 to 14"),
    "bcrypt of cost 3": ("$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "4 to 14"),
    "bcrypt that is cut off": ("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO", "60 characters"),
    "bcrypt of the broken version x": ("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "unknown"),
    "scrypt with 256 MiB": (f"$scrypt$ln=18,r=8,p=1${SALT}${HASH}", "128 MiB"),
    "scrypt with N = 2^999": (f"$scrypt$ln=999,r=8,p=1${SALT}${HASH}", "128 MiB"),
    "scrypt with too many lanes": (f"$scrypt$ln=14,r=8,p=17${SALT}${HASH}", "N·r·p"),
    "scrypt with r = 0": (f"$scrypt$ln=14,r=0,p=1${SALT}${HASH}", "from 1"),
    "scrypt with N = 1": (f"$scrypt$ln=0,r=8,p=1${SALT}${HASH}", "from 1"),
    "scrypt with N = 8": (f"$scrypt$ln=3,r=8,p=1${SALT}${HASH}", "at least 16"),
    "scrypt with more lanes than memory": (f"$scrypt$ln=4,r=65536,p=16${SALT}${HASH}", "128 MiB"),
    "scrypt with an N that r does not allow": (f"$scrypt$ln=16,r=1,p=1${SALT}${HASH}", "RFC 7914"),
    "scrypt with a short hash": (f"$scrypt$ln=14,r=8,p=1${SALT}$AAAA", "16 to 64"),
    "scrypt with a long hash": (f"$scrypt$ln=14,r=8,p=1${SALT}${b64('x' * 65)}", "16 to 64"),
    "scrypt with a long salt": (f"$scrypt$ln=14,r=8,p=1${b64('x' * 257)}${HASH}", "256 bytes"),
    "scrypt whose salt is not base64": (f"$scrypt$ln=14,r=8,p=1$ä${HASH}", "not base64"),
    "firebase with too much memory": (FIREBASE.replace("n=14", "n=18"), "128 MiB"),
    "firebase with the key of another project": (FIREBASE.replace(SIGNER_KEY, "AAAA"), "signer key"),
    "pbkdf2 with 2,000,001 iterations": (f"$pbkdf2-sha256$i=2000001${SALT}${HASH}", "2000000"),
    "pbkdf2 with two blocks of a million and one": (f"$pbkdf2-sha256$i=1000001${SALT}${b64('x' * 33)}", "2000000"),
    "pbkdf2 without iterations": (f"$pbkdf2-sha256$i=0${SALT}${HASH}", "2000000"),
    "pbkdf2 with MD5": (f"$pbkdf2-md5$i=1000${SALT}${HASH}", "unknown"),
    "argon2 with a gibibyte": (f"$argon2id$v=19$m=1048576,t=1,p=1${BARE_SALT}${BARE_HASH}", "131072 KiB"),
    "argon2 with many rounds": (f"$argon2id$v=19$m=65536,t=9,p=1${BARE_SALT}${BARE_HASH}", "524288 KiB"),
    "argon2 with 64 lanes": (f"$argon2id$v=19$m=65536,t=1,p=64${BARE_SALT}${BARE_HASH}", "lanes"),
    "argon2 with rounds of many threads": (f"$argon2id$v=19$m=64,t=65,p=8${BARE_SALT}${BARE_HASH}", "each lane"),
    "argon2d": (f"$argon2d$v=19$m=256,t=2,p=1${BARE_SALT}${BARE_HASH}", "unknown"),
    "md5 of crypt": ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", "unknown"),
    "a password": ("correct horse", "unknown"),
    "nothing": ("", "unknown"),
    "a huge text": ("$2a$" + "x" * MAX_TEXT, "1024 characters"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hash_that_costs_too_much_or_is_unknown_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnusableHash, match=reason):
        read_hash(text)


def test_bcrypt_ignores_all_bytes_after_the_72nd_as_it_did_where_the_hash_was_made() -> None:
    hash = read_hash(bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())

    assert hash.matches("x" * 256)
    assert not hash.matches("x" * 71)


@given(
    st.text(alphabet="$2abyrgonifcptscrypvmlk=,-0123456789sha+/.", max_size=60),
    st.sampled_from(["", *[t for t, _ in VECTORS.values()]]),
)
@settings(max_examples=examples(200))
def test_no_text_raises_another_error(noise: str, text: str) -> None:
    for candidate in (noise, text[: len(noise)] + noise, text.replace("$", noise[:3], 1), text + noise):
        with suppress(UnusableHash):
            assert read_hash(candidate).text


PASSWORD = "correct horse"


def spellings(some: random.Random) -> Iterator[str]:
    """Yield hashes of PASSWORD with random parameters, in spellings that other systems accept."""
    for _ in range(12):
        salt, zeros = some.randbytes(some.randrange(8, 40)), "0" * some.randrange(3)
        memory, rounds, lanes = some.randrange(64, 200), some.randrange(1, 4), some.choice((1, 2, 8))
        made = hash_secret(PASSWORD.encode(), salt, rounds, memory, lanes, some.randrange(16, 40), Type.ID).decode()
        yield _loose(made.replace("m=", f"m={zeros}").replace("t=", f"t={zeros}"), some)
    for _ in range(12):
        log_n, r, p = some.choice(((4, 1 << some.randrange(13), 1), (4, 1, 4000), (10, 8, 2), (15, 1, 1)))
        salt = some.randbytes(some.randrange(20))
        hash = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1 << log_n, r=r, p=p, maxmem=1 << 30, dklen=32)
        yield f"$scrypt$ln=0{log_n},r={r},p=0{p}${base64.b64encode(salt).decode()}${base64.b64encode(hash).decode()}"
    for _ in range(4):
        made = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        yield made[:28] + _with_noise(made[28], 4, some) + made[29:-1] + _with_noise(made[-1], 2, some)


def _loose(text: str, some: random.Random) -> str:
    """Return the text with random bits where the base64 of its salt and hash ends within a byte."""
    *head, salt, hash = text.split("$")
    loosened = [one[:-1] + _with_noise(one[-1], -len(one) % 4 * 2, some, STANDARD) for one in (salt, hash)]
    return "$".join([*head, *loosened])


STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _with_noise(letter: str, bits: int, some: random.Random, letters: str = LETTERS) -> str:
    return letters[letters.index(letter) | some.randrange(1 << bits)]


def test_every_accepted_hash_matches_its_password() -> None:
    """A hash that can never match would lock its user out, so the import must refuse it."""
    for text in spellings(random.Random(8)):
        stored = read_hash(read_hash(text).text)
        assert stored.matches(PASSWORD), text
        assert not stored.matches(PASSWORD + "x"), text


def test_a_digit_is_one_of_ten_in_every_scheme() -> None:
    """Python's patterns and int() know the digits of all scripts, but the libraries know ASCII alone."""
    some, others = random.Random(7), [chr(at) for at in range(128, 0x20000) if chr(at).isdecimal()]
    for name, (text, _) in VECTORS.items():
        head, mark, rest = text.rpartition("$") if "bcrypt" not in name else (text[:7], "", text[7:])
        digits = [at for at, letter in enumerate(head[4:], 4) if letter.isdecimal()]
        for _ in range(20):
            at = some.choice(digits)
            with pytest.raises(UnusableHash):
                read_hash(head[:at] + some.choice(others) + head[at + 1 :] + mark + rest)


def test_no_accepted_argon2_hash_costs_more_than_the_work_that_is_allowed() -> None:
    """The limit counts the KiB and the threads of a check. The slowest allowed hash takes 0.1 s instead of 8 s."""
    some, dearest = random.Random(1), 0
    for _ in range(2000):
        memory, rounds, lanes = 1 << some.randrange(3, 18), 1 << some.randrange(14), some.randrange(1, 9)
        with suppress(UnusableHash):
            read_hash(f"$argon2id$v=19$m={memory},t={rounds},p={lanes}${BARE_SALT}${BARE_HASH}")
            assert memory * rounds <= MAX_ARGON2_WORK
            dearest = max(dearest, 4 * lanes * rounds if lanes > 1 else 0)
    assert 1024 < dearest <= 2048

    before = time.process_time()
    assert not read_hash(f"$argon2id$v=19$m=64,t=64,p=8${BARE_SALT}${BARE_HASH}").matches(PASSWORD)
    assert time.process_time() - before < 2  # This is processor time, so a busy machine changes nothing.


@pytest.mark.parametrize("text", ["ln=4,r=1,p=65536", "ln=4,r=32768,p=2"])
def test_scrypt_with_an_unusual_share_of_pbkdf2_costs_no_more_than_the_others(text: str) -> None:
    before = time.process_time()
    assert not read_hash(f"$scrypt${text}${SALT}${HASH}").matches(PASSWORD)
    assert time.process_time() - before < 4
