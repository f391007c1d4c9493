"""Write the tests of cel-spec as JSON. This program runs in the environment of the suites, which has protobuf.

python cel_to_json.py <folder of cel-spec> <file.json>
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf import json_format, text_format
from grpc_tools import protoc

PACKAGE = "cel/expr"


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as made:
        protos = [str(one) for one in (source / "proto" / PACKAGE).rglob("*.proto")]
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        google = source / "third_party"
        includes = [f"-I{source / 'proto'}", f"-I{well_known}", *([f"-I{google}"] if google.exists() else [])]
        found = [one for one in protos if "conformance_service" not in one]
        if protoc.main(["protoc", *includes, f"--python_out={made}", *found]):
            sys.exit("protoc failed")
        sys.path.insert(0, made)
        simple = importlib.import_module("cel.expr.conformance.test.simple_pb2")
        for kind in ("proto2.test_all_types", "proto2.test_all_types_extensions", "proto3.test_all_types"):
            importlib.import_module(f"cel.expr.conformance.{kind}_pb2")
        files = {}
        for path in sorted((source / "tests" / "simple" / "testdata").glob("*.textproto")):
            parsed = text_format.Parse(path.read_text("utf-8"), simple.SimpleTestFile())
            files[path.stem] = json_format.MessageToDict(parsed, preserving_proto_field_name=True)
    out.write_text(json.dumps(files), "utf-8")


if __name__ == "__main__":
    main()
