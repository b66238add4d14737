"""A warm Lambda function invoked over HTTP, against MiniStack."""

import io
import zipfile
from collections.abc import Callable, Iterator

from bench import clouds
from bench.measure import Row, compare, in_turn, percentile
from bench.programs import Program

_ROUNDS = 5
_INVOCATIONS, _SLOW_INVOCATIONS = 200, 20
_NAME = "bench"
_CODE = "def handler(event, context):\n    return event\n"


def make(cloud: clouds.Cloud) -> None:
    """The function, invoked once: it is warm from then on."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("main.py", _CODE)
    client = cloud.client("lambda")
    client.create_function(
        FunctionName=_NAME,
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/bench",
        Handler="main.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=_NAME)
    client.invoke(FunctionName=_NAME, Payload=b"{}")


def run() -> Iterator[Row]:
    """p50 and p99 of single invocations."""
    with clouds.headrace() as our_cloud, clouds.ministack() as peer_cloud:
        for cloud in (our_cloud, peer_cloud):
            make(cloud)
        with Program("load", our_cloud.endpoint) as ours, Program("load", peer_cloud.endpoint) as peer:
            mine: list[float] = []
            theirs: list[float] = []
            our_p50s, their_p50s = in_turn(
                _ROUNDS, _round(ours, _INVOCATIONS, mine), _round(peer, _SLOW_INVOCATIONS, theirs)
            )
    yield compare("warm Lambda invoke over HTTP, p50, against MiniStack", our_p50s, their_p50s, "3 ms")
    late, their_late = percentile(mine, 0.99), percentile(theirs, 0.99)
    yield Row(
        "warm Lambda invoke over HTTP, p99, against MiniStack",
        f"{late:.1f} ms",
        f"{their_late:.1f} ms",
        late / their_late,
    )


def _round(program: Program, count: int, collected: list[float]) -> Callable[[], float]:
    def once() -> float:
        values: list[float] = program.ask(do="invocations", function=_NAME, count=count)
        collected.extend(values)
        return percentile(values, 0.5)

    return once
