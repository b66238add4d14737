"""A server that does nothing but answer, so that what is left is the client's time.

`python -m bench.programs.nothing PORT`.
"""

import asyncio
import signal
import sys

_BODY = (
    b'{"executionArn":"arn:aws:states:us-east-1:000000000000:execution:bench:'
    b'00000000-0000-0000-0000-000000000000","startDate":1.7e9,"status":"SUCCEEDED"}'
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class _Nothing(asyncio.Protocol):
    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(rest) >= int(length.partition(b"\r\n")[0] or 0):
            self._read = b""
            self._transport.write(_ANSWER)


async def main(port: int) -> None:
    """Until it is interrupted."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    server = await loop.create_server(_Nothing, "127.0.0.1", port)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
