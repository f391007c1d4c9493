"""Journeys with command lines: aws-cli, rclone and s3cmd."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.outside.s3.files import NAMES, content, difference, large, write_tree
from tests.outside.s3.target import Target
from tests.outside.tally import Tally

STEP_SECONDS: Final = 300.0
BUCKET: Final = "journey-of-a-command"

Run = Callable[..., str]


class StepFailed(Exception):
    """A command exited with another code than 0."""


@contextmanager
def _folders(binary: Path, environment: dict[str, str]) -> Iterator[tuple[Path, Path, Run]]:
    """Yield a folder with files, an empty folder, and a function that runs the command and returns its output."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        tree, out = home / "tree", home / "out"
        tree.mkdir()
        out.mkdir()
        write_tree(tree)

        def run(*arguments: str | Path, given: bytes = b"") -> str:
            done = subprocess.run(
                (binary, *arguments),
                cwd=home,
                env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
                input=given,
                capture_output=True,
                check=False,
                timeout=STEP_SECONDS,
            )
            if done.returncode:
                raise StepFailed(f"{' '.join(map(str, arguments))}: {(done.stderr or done.stdout)[-300:].decode()}")
            return done.stdout.decode("utf-8", "replace")

        yield tree, out, run


def aws_cli(target: Target, binaries: Path) -> Tally:
    tally = Tally(f"aws-cli, {target.name}")
    environment = {
        "AWS_ACCESS_KEY_ID": target.main.access_key,
        "AWS_SECRET_ACCESS_KEY": target.main.secret,
        "AWS_DEFAULT_REGION": "eu-central-1",  # in us-east-1, it presigns with Signature Version 2
        "AWS_ENDPOINT_URL": target.url,
    }
    with _folders(binaries / "aws", environment) as (tree, out, run):
        run("s3", "mb", f"s3://{BUCKET}")
        run("s3", "sync", tree, f"s3://{BUCKET}/tree")
        tally.check(run("s3", "sync", tree, f"s3://{BUCKET}/tree") == "", "a second sync uploads nothing")
        listed = run("s3", "ls", "--recursive", f"s3://{BUCKET}/tree/").splitlines()
        tally.check(len(listed) == len(NAMES) + 1, "ls lists each file", listed)
        run("s3", "sync", f"s3://{BUCKET}/tree", out)
        tally.check(not difference(tree, out), "sync brings the same bytes back", difference(tree, out))
        run("s3", "cp", f"s3://{BUCKET}/tree/large.bin", f"s3://{BUCKET}/copy.bin")
        run("s3", "mv", f"s3://{BUCKET}/copy.bin", f"s3://{BUCKET}/moved.bin")
        run("s3", "cp", f"s3://{BUCKET}/moved.bin", out / "moved.bin")
        tally.check((out / "moved.bin").read_bytes() == large(), "copy and move keep the bytes")
        url = run("s3", "presign", f"s3://{BUCKET}/tree/a space and+plus.txt").strip()
        tally.check(httpx.get(url).content == content("a space and+plus.txt"), "a presigned URL works")
        run("s3", "cp", "-", f"s3://{BUCKET}/piped", given=large())
        tally.check(int(json.loads(run(*_head("piped")))["ContentLength"]) == len(large()), "a pipe is uploaded")
        for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
            run("s3", "cp", "--checksum-algorithm", algorithm, tree / "large.bin", f"s3://{BUCKET}/sum-{algorithm}")
            found = json.loads(run(*_head(f"sum-{algorithm}"), "--checksum-mode", "ENABLED"))
            tally.check(f"Checksum{algorithm}" in found, f"a large file with {algorithm}", found)
        run("s3", "rm", "--recursive", f"s3://{BUCKET}")
        run("s3", "rb", f"s3://{BUCKET}")
    return tally


def _head(key: str) -> tuple[str, ...]:
    return ("s3api", "head-object", "--bucket", BUCKET, "--key", key)


def rclone(target: Target, binaries: Path) -> Tally:
    tally = Tally(f"rclone, {target.name}")
    environment = {
        "RCLONE_CONFIG_B_TYPE": "s3",
        "RCLONE_CONFIG_B_PROVIDER": "Other",
        "RCLONE_CONFIG_B_ENDPOINT": target.url,
        "RCLONE_CONFIG_B_ACCESS_KEY_ID": target.main.access_key,
        "RCLONE_CONFIG_B_SECRET_ACCESS_KEY": target.main.secret,
    }
    with _folders(binaries / "rclone", environment) as (tree, out, run):
        run("mkdir", f"b:{BUCKET}")
        run("sync", tree, f"b:{BUCKET}/tree", "--s3-upload-cutoff", "8M", "--s3-chunk-size", "5M")
        run("check", tree, f"b:{BUCKET}/tree", "--download")
        run("check", tree, f"b:{BUCKET}/tree")
        listed = json.loads(run("lsjson", "-R", "--files-only", f"b:{BUCKET}/tree"))
        names = {one["Path"] for one in listed}
        tally.check(names == {*NAMES, "large.bin"}, "lsjson lists each file", names)
        times = {one["Path"]: one["ModTime"][:19] for one in listed}
        tally.check(len(times) == len(NAMES) + 1, "each file has its time of modification", times)
        moved = run("sync", "-v", tree, f"b:{BUCKET}/tree", "--use-json-log", "--stats-one-line")
        tally.check("Copied" not in moved, "a second sync copies nothing", moved)
        run("sync", f"b:{BUCKET}/tree", out)
        tally.check(not difference(tree, out), "sync brings the same bytes back", difference(tree, out))
        run("copyto", f"b:{BUCKET}/tree/large.bin", f"b:{BUCKET}/copy.bin")
        run("moveto", f"b:{BUCKET}/copy.bin", f"b:{BUCKET}/moved é.bin")
        run("copyto", f"b:{BUCKET}/moved é.bin", out / "moved.bin")
        tally.check((out / "moved.bin").read_bytes() == large(), "copyto and moveto keep the bytes")
        run("rcat", f"b:{BUCKET}/piped", "--streaming-upload-cutoff", "1M", given=large())
        run("copyto", f"b:{BUCKET}/piped", out / "piped")
        tally.check((out / "piped").read_bytes() == large(), "rcat uploads a pipe")
        part = run("cat", "--offset", "10", "--count", "5", f"b:{BUCKET}/tree/large.bin")
        tally.check(part == large()[10:15].decode("utf-8", "replace"), "cat reads a range", part)
        url = run("link", "--expire", "1m", f"b:{BUCKET}/tree/plain.txt").strip()
        tally.check(httpx.get(url).content == content("plain.txt"), "a presigned URL works")
        run("touch", f"b:{BUCKET}/tree/plain.txt")
        run("cleanup", f"b:{BUCKET}")
        run("purge", f"b:{BUCKET}")
        tally.check(BUCKET not in run("lsd", "b:"), "purge removes the bucket")
    return tally


def s3cmd(target: Target, binaries: Path) -> Tally:
    tally = Tally(f"s3cmd, {target.name}")
    with _folders(binaries / "s3cmd", {"PYTHONWARNINGS": "ignore", "LANG": "C.UTF-8"}) as (tree, out, run):
        config = out.parent / "s3cfg"
        config.write_text(
            f"[default]\naccess_key = {target.main.access_key}\nsecret_key = {target.main.secret}\n"
            f"host_base = {target.host}:{target.port}\nhost_bucket = {target.host}:{target.port}\nuse_https = False\n",
            "utf-8",
        )

        def s3(*arguments: str | Path) -> str:
            return run("-c", config, "--no-progress", "--multipart-chunk-size-mb=5", *arguments)

        s3("mb", f"s3://{BUCKET}")
        s3("sync", f"{tree}/", f"s3://{BUCKET}/tree/")
        listed = s3("ls", "-r", f"s3://{BUCKET}/tree/").splitlines()
        tally.check(len(listed) == len(NAMES) + 1, "ls lists each file", listed)
        again = s3("sync", f"{tree}/", f"s3://{BUCKET}/tree/")
        tally.check("upload:" not in again, "a second sync uploads nothing", again)
        s3("sync", f"s3://{BUCKET}/tree/", f"{out}/")
        tally.check(not difference(tree, out), "sync brings the same bytes back", difference(tree, out))
        s3("cp", f"s3://{BUCKET}/tree/large.bin", f"s3://{BUCKET}/copy.bin")
        s3("mv", f"s3://{BUCKET}/copy.bin", f"s3://{BUCKET}/moved.bin")
        s3("get", f"s3://{BUCKET}/moved.bin", out / "moved.bin")
        tally.check((out / "moved.bin").read_bytes() == large(), "copy and move keep the bytes")
        shown = s3("info", f"s3://{BUCKET}/tree/plain.txt")
        tally.check("MD5 sum" in shown, "info shows an object", shown)
        s3("del", "-r", "--force", f"s3://{BUCKET}/")
        s3("rb", f"s3://{BUCKET}")
        tally.check(BUCKET not in s3("ls"), "rb removes the bucket")
    return tally
