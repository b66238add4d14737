"""The annotating container: its server without nginx, its `predict` command, its annotations of a drawn image."""

import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.algorithms.containers import Answer, Container, Server
from tests.unit.algorithms.environments import ALGORITHMS, environment

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("generic")

FOLDER = ALGORITHMS / "generic" / "container"
SHAPES = (ALGORITHMS / "generic" / "samples" / "shapes.png").read_bytes()
FIRST = {"MODEL_SERVER_WORKERS": "1"}

# An nginx that lives until it is told to stop, or no longer than it takes to be one.
NGINX = """#!/bin/sh
trap 'exit 0' QUIT
[ -n "$FAILS" ] && exit 7
cp "$4" "$NOTED"
echo taken >&2
while :; do sleep 0.05; done
"""


def container(base: Path, **variables: str) -> Container:
    return Container(base, (FOLDER / "bin", environment(FOLDER / "requirements.txt")), {**FIRST, **variables})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with container(tmp_path_factory.mktemp("generic")).serving() as running:
        yield running


def annotations(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return dict(json.loads(answer.text))


def test_grey_of_sixteen_bits_is_scaled_and_not_cut_off_at_white(server: Server) -> None:
    buffer = io.BytesIO()
    Image.frombytes("I;16", (32, 32), b"\0\x28" * 32 * 32).save(buffer, "PNG", transparency=1)
    assert annotations(server.invoke(buffer.getvalue(), "image/png"))["brightness"] == round(40 / 255, 4)


def test_a_drawn_image_has_the_size_colours_and_regions_that_were_drawn(server: Server) -> None:
    found = annotations(server.invoke(SHAPES, "application/x-image"))
    assert (found["format"], found["width"], found["height"]) == ("png", 320, 200)
    commonest = [int(found["colours"][0]["colour"][at : at + 2], 16) for at in (1, 3, 5)]
    assert all(abs(is_ - was) <= 2 for is_, was in zip(commonest, (0x1E, 0x3A, 0x5F), strict=True))
    assert [region["label"] for region in found["regions"]] == ["bright", "bright"]
    for region, drawn in zip(found["regions"], ([180, 60, 111, 101], [30, 40, 81, 81]), strict=True):
        assert all(abs(is_ - was) <= 3 for is_, was in zip(region["box"], drawn, strict=True)), region


def test_a_blurred_image_is_less_sharp_and_a_plain_one_has_no_regions(server: Server) -> None:
    small = io.BytesIO()
    Image.open(io.BytesIO(SHAPES)).resize((32, 20)).resize((320, 200)).save(small, "PNG")
    plain = io.BytesIO()
    Image.new("RGB", (40, 30), "#336699").save(plain, "BMP")
    sharp, blurred, flat = (
        annotations(server.invoke(body, "image/png")) for body in (SHAPES, small.getvalue(), plain.getvalue())
    )
    assert blurred["sharpness"] < sharp["sharpness"] / 4
    assert (flat["regions"], flat["sharpness"]) == ([], 0.0)


def test_an_answer_is_one_line_so_that_a_transform_job_can_join_them(server: Server) -> None:
    body = server.invoke(SHAPES, "image/png").text
    assert body.endswith("}\n")
    assert body.count("\n") == 1


def test_ping_and_the_parameters_of_a_transform_job_are_answered(server: Server) -> None:
    assert server.request("GET", "/ping").status == 200
    assert annotations(server.request("GET", "/execution-parameters"))["BatchStrategy"] == "SINGLE_RECORD"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (b"no image", "image/png", 400, "The content is no image of the kinds JPEG, PNG"),
        (SHAPES[: len(SHAPES) // 2], "image/png", 400, "The image cannot be read"),
        (b"", "image/png", 400, "The content is no image"),
        (SHAPES, "text/csv", 415, "The content type text/csv is not supported"),
    ],
    ids=["text", "cut off", "nothing", "another type"],
)
def test_what_is_no_image_is_refused_with_the_reason(
    server: Server, body: bytes, content_type: str, status: int, reason: str
) -> None:
    answer = server.invoke(body, content_type)
    assert (answer.status, answer.text[: len(reason)]) == (status, reason)


def test_a_caller_who_does_not_take_json_is_told(server: Server) -> None:
    answer = server.request("POST", "/invocations", SHAPES, {"Content-Type": "image/png", "Accept": "text/csv"})
    assert answer.status == 406


def test_predict_annotates_a_folder_and_names_the_file_it_could_not_read(tmp_path: Path) -> None:
    one = container(tmp_path)
    one.put("images/a.png", SHAPES)
    one.put("images/deep/b.jpg", "no image")
    done = one.run("predict", str(tmp_path / "images"))
    good, bad = (json.loads(line) for line in done.output.splitlines())
    assert (done.code, good["width"]) == (1, 320)
    assert bad["file"].endswith("deep/b.jpg")
    assert bad["error"].startswith("The content is no image")


def nginx(folder: Path) -> Path:
    """A folder with a stand-in for nginx."""
    program = folder / "nginx-bin" / "nginx"
    program.parent.mkdir()
    program.write_text(NGINX)
    program.chmod(0o755)
    return program.parent


def serve(base: Path, **variables: str) -> "subprocess.Popen[str]":
    """The `serve` command with nginx installed."""
    path = [FOLDER / "bin", environment(FOLDER / "requirements.txt"), nginx(base), "/usr/bin", "/bin"]
    told = {"PATH": os.pathsep.join(map(str, path)), "NOTED": str(base / "noted"), **FIRST, **variables}
    return subprocess.Popen(["serve"], env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_behind_nginx_gunicorn_listens_on_a_socket_and_both_end_together(tmp_path: Path) -> None:
    with serve(tmp_path, SAGEMAKER_BIND_TO_PORT="9123", SAGEMAKER_MAX_PAYLOAD_IN_MB="7") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "serving on port 9123\n"
        assert any(line == "taken\n" for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        # Who is stopped while it starts may take what serve.py gives it, 28 s.
        assert process.wait(60) == 0
    written = (tmp_path / "noted").read_text()
    assert "listen 0.0.0.0:9123;" in written
    assert "client_max_body_size 7m;" in written
    assert "gunicorn.sock" in written
    assert "$http_host" in written
    assert "${" not in written
    socket = Path(written.partition("server unix:")[2].partition(" ")[0])
    assert not socket.parent.exists()


def test_the_server_ends_when_nginx_does(tmp_path: Path) -> None:
    with serve(tmp_path, FAILS="1") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 7
    assert "nginx ended, so the server ends" in errors
