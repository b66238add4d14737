"""A Step Functions alone behind a port, for clients that are not of this process: conformance, load.

python -m tests.unit.local.stepfunctions.api.server PORT STATE_DIR
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from local.stepfunctions.service import Settings, StepFunctions
from local.surroundings import Request
from tests.unit.local.stepfunctions.api.cloud import FakeCloud


async def _serve(service: StepFunctions, port: int) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                headers = await _headers(reader)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, fields, answer = await service.handle(Request("POST", "/", headers, body, {}))
                lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(answer)}"]
                lines += [f"{name}: {value}" for name, value in fields.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


async def _headers(reader: asyncio.StreamReader) -> Mapping[str, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
    pairs = (line.partition(":") for line in head)
    return {name.lower(): value.strip() for name, _, value in pairs}


def main() -> None:
    service = StepFunctions(FakeCloud(), Settings(state_dir=Path(sys.argv[2])), lambda _: False)
    service.start()
    service.resume()
    try:
        asyncio.run(_serve(service, int(sys.argv[1])))
    except KeyboardInterrupt:
        pass
    finally:
        service.stop()


if __name__ == "__main__":
    main()
