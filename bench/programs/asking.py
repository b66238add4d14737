"""A second client, which lists state machines until its input ends and then prints the longest wait in milliseconds.

`python -m bench.programs.asking HOST PORT`.
"""

import http.client
import json
import sys
import threading
import time

_PAUSE = 0.002
_HEADERS = {
    "X-Amz-Target": "AWSStepFunctions.ListStateMachines",
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/states/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


def main(host: str, port: int) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=120)
    ended = threading.Event()
    threading.Thread(target=_until_the_input_ends, args=(ended,), daemon=True).start()
    _ask(connection)
    print("ready", flush=True)
    longest = 0.0
    while not ended.is_set():
        longest = max(longest, _ask(connection))
        time.sleep(_PAUSE)
    print(json.dumps(longest))


def _until_the_input_ends(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _ask(connection: http.client.HTTPConnection) -> float:
    start = time.perf_counter()
    connection.request("POST", "/", "{}", _HEADERS)
    connection.getresponse().read()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
