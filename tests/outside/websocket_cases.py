"""Run the cases of the Autobahn test suite against a WebSocket server, and print their results as JSON.

This program runs in the environment of the suites, which has kosoku: a client that runs the case files of Autobahn.

python websocket_cases.py <ws://…> <sections, such as 1.* or 6.*>…
"""

import asyncio
import json
import sys

import kosoku


def plain(result):
    return {
        "id": result.case_id,
        "behavior": result.behavior.value,
        "close": result.behavior_close.value,
        "code": result.remote_close_code,
        "reason": result.remote_close_reason,
        "received": repr(result.received)[:300],
        "expected": repr(result.expected)[:300],
    }


async def main():
    try:
        results = await kosoku.run_fuzzingclient(sys.argv[1], sys.argv[2:])
    except kosoku.FailureError as error:
        results = error.results
    sys.stdout.write(json.dumps([plain(one) for one in results]))


asyncio.run(main())
