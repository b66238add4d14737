"""The face handler behind its server: five tiles for a photo with a face, a reason for anything else."""

import io
import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.unit.algorithms.containers import Answer, Container, Server
from tests.unit.algorithms.environments import ALGORITHMS, MODEL_BUILD, environment

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("faces")

FOLDER = ALGORITHMS / "face_aging"
ASTRONAUT = (FOLDER / "samples" / "astronaut.jpg").read_bytes()
ORIENTATION = 0x0112

Tiles = NDArray[np.uint8]


def encoded(photo: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def photo() -> Image.Image:
    return Image.open(io.BytesIO(ASTRONAUT))


def array(answer: Answer) -> Tiles:
    assert answer.status == 200, answer.text
    loaded: Tiles = np.load(io.BytesIO(answer.body), allow_pickle=False)
    return loaded


def tiles(server: Server, body: bytes, content_type: str = "image/jpeg") -> list[NDArray[np.float32]]:
    whole = array(server.invoke(body, content_type))
    return [tile.astype(np.float32) for tile in np.split(whole, 5, axis=1)]


@pytest.fixture(scope="module")
def rendered(face_server: Server) -> list[NDArray[np.float32]]:
    return tiles(face_server, ASTRONAUT)


def saturation(tile: NDArray[np.float32]) -> float:
    """Of the hair, at the top of an aligned face."""
    hair = tile[100:330, 250:780]
    return float(np.mean(hair.max(axis=2) - hair.min(axis=2)))


def roughness(tile: NDArray[np.float32]) -> float:
    """Of the cheeks and around the eyes: differences between neighbouring pixels."""
    skin = tile[420:760, 330:700].mean(axis=2)
    return float(np.mean(np.abs(np.diff(skin, axis=0))))


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same JPEG under a header that claims another size."""
    start = jpeg.index(b"\xff\xc0") if b"\xff\xc0" in jpeg else jpeg.index(b"\xff\xc2")
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def test_a_photo_becomes_five_tiles_side_by_side(face_server: Server) -> None:
    answer = face_server.invoke(ASTRONAUT, "image/jpeg")
    assert answer.headers["Content-Type"] == "application/x-npy"
    whole = array(answer)
    assert whole.shape == (1024, 5120, 3)
    assert whole.dtype == np.uint8


def test_each_age_differs_visibly_from_the_photo_and_from_the_next(rendered: list[NDArray[np.float32]]) -> None:
    for earlier, later in pairwise(rendered):
        assert np.mean(np.abs(earlier - later)) > 1.5


def test_hair_loses_colour_with_age(rendered: list[NDArray[np.float32]]) -> None:
    original, *ages = map(saturation, rendered)
    assert ages == sorted(ages, reverse=True)
    assert ages[-1] < 0.5 * original


def test_skin_gains_detail_with_age(rendered: list[NDArray[np.float32]]) -> None:
    original, *ages = map(roughness, rendered)
    assert ages == sorted(ages)
    assert ages[0] < original < ages[-1]


def test_the_renderings_are_computed_from_the_photo(face_server: Server, rendered: list[NDArray[np.float32]]) -> None:
    dark = tiles(face_server, encoded(photo().point(lambda value: value // 2)), "image/png")
    for bright, dim in zip(rendered, dark, strict=True):
        assert np.mean(dim) < 0.75 * np.mean(bright)


def test_the_face_is_aligned_whatever_its_place_and_size(
    face_server: Server, rendered: list[NDArray[np.float32]]
) -> None:
    wide = Image.new("RGB", (1600, 1400), (200, 200, 205))
    wide.paste(photo().resize((900, 900)), (600, 350))
    moved = tiles(face_server, encoded(wide, "JPEG", quality=95))[0]
    face = np.s_[300:900, 300:720]
    assert np.mean(np.abs(moved[face] - rendered[0][face])) < 14


def test_a_photo_turned_by_its_exif_block_is_taken_upright(
    face_server: Server, rendered: list[NDArray[np.float32]]
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be shown turned a quarter clockwise
    sideways = encoded(photo().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    assert np.mean(np.abs(tiles(face_server, sideways)[0] - rendered[0])) < 12


@pytest.mark.parametrize("mode", ["RGBA", "L", "CMYK"])
def test_any_kind_of_pixels_will_do(face_server: Server, mode: str) -> None:
    kind, content_type = ("JPEG", "image/jpeg") if mode == "CMYK" else ("PNG", "image/png")
    assert len(tiles(face_server, encoded(photo().convert(mode), kind), content_type)) == 5


def test_faces_of_requests_at_the_same_time_do_not_mix(face_server: Server) -> None:
    photos = [encoded(photo()), encoded(ImageOps.mirror(photo()))] * 2
    alone = [array(face_server.invoke(body, "image/png")) for body in photos[:2]]
    with ThreadPoolExecutor(len(photos)) as pool:
        together = list(pool.map(lambda body: array(face_server.invoke(body, "image/png")), photos))
    for index, tile in enumerate(together):
        assert np.array_equal(tile, alone[index % 2])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ((FOLDER / "samples" / "no_face.jpg").read_bytes(), "No face found in the photo."),
        (ASTRONAUT[:30_000], "The photo is damaged or cut short"),
        (ASTRONAUT[:200], "The photo is damaged or cut short"),
        (encoded(Image.new("RGB", (200, 200)))[:120], "The photo is damaged or cut short"),
        (b"hello", "The file is not a JPEG or PNG photo."),
        (encoded(Image.new("RGB", (200, 200)), "GIF"), "The file is not a JPEG or PNG photo."),
        (b"", "The request is empty"),
        (encoded(Image.new("RGB", (20, 300))), "The photo is 20 x 300 pixels; at least 64 x 64 are needed."),
        (
            with_size(ASTRONAUT, 10_000, 6_000),
            "The photo has 60.0 megapixels (10000 x 6000); the limit is 40.",
        ),
        (
            with_size(ASTRONAUT, 60_000, 60_000),
            "The photo has 3600.0 megapixels (60000 x 60000); the limit is 40.",
        ),
    ],
)
def test_a_photo_that_cannot_be_used_is_refused_with_the_reason(face_server: Server, body: bytes, reason: str) -> None:
    answer = face_server.invoke(body, "image/png" if body[:4] == b"\x89PNG" else "image/jpeg")
    assert (answer.status, answer.text.strip().startswith(reason)) == (400, True), answer.text


def test_a_png_that_unpacks_to_more_than_it_says_is_refused(face_server: Server) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    assert "81.0 megapixels" in face_server.invoke(bomb, "image/png").text


def test_another_content_type_is_refused(face_server: Server) -> None:
    answer = face_server.invoke(ASTRONAUT, "application/json")
    assert answer.status == 415
    assert "send image/jpeg or image/png" in answer.text


def test_the_committed_model_is_what_its_script_writes(faces: Container) -> None:
    script = shutil.copy(FOLDER / "build_model.py", faces.base)
    committed = (FOLDER / "model" / "model.onnx").read_bytes()
    (faces.base / "model" / "model.onnx").unlink()
    builder = Container(faces.base, (environment(MODEL_BUILD),))
    assert builder.run("python", str(script)).code == 0
    assert (faces.base / "model" / "model.onnx").read_bytes() == committed


def test_another_model_in_the_archive_is_served_by_the_same_handler(faces: Container) -> None:
    faces.put("model/model.onnx", identity_onnx("image", "age"))
    with faces.serving() as server:
        original, *ages = tiles(server, ASTRONAUT)
    for rendering in ages:
        assert np.array_equal(rendering, original)


def test_a_model_with_other_inputs_ends_the_server_with_the_reason(faces: Container) -> None:
    faces.put("model/model.onnx", identity_onnx("picture", "years"))
    finished = faces.run("serve")
    assert finished.code == 1
    assert "has the inputs ['picture', 'years']; image and age are expected" in finished.last_error


def test_a_torch_model_without_torch_ends_the_server_with_the_reason(faces: Container) -> None:
    (faces.base / "model" / "model.onnx").rename(faces.base / "model" / "model.pt")
    finished = faces.run("serve")
    assert (finished.code, "torch is not installed in this image" in finished.last_error) == (1, True)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("code/inference.py", "The model archive holds no code/inference.py."),
        ("model.onnx", "The model archive holds neither model.onnx nor model.pt."),
    ],
)
def test_an_incomplete_archive_ends_the_server_with_the_reason(faces: Container, missing: str, reason: str) -> None:
    (faces.base / "model" / missing).unlink()
    finished = faces.run("serve")
    assert (finished.code, finished.last_error) == (1, reason)


def test_a_handler_that_breaks_is_answered_500_with_its_message(faces: Container) -> None:
    faces.put(
        "model/code/inference.py",
        "def model_fn(folder): return None\n"
        "def input_fn(body, content_type): raise KeyError('weights')\n"
        "def predict_fn(data, model): return data\n"
        "def output_fn(prediction, accept): return prediction, accept\n",
    )
    with faces.serving() as server:
        answer = server.invoke(b"x", "image/jpeg")
        assert (answer.status, answer.text.strip()) == (500, "KeyError: 'weights'")
        assert server.request("GET", "/ping").status == 200


def identity_onnx(image: str, age: str) -> bytes:
    """An ONNX model that answers its image unchanged, written field by field (onnx.proto3)."""

    def number(tag: int, value: int) -> bytes:
        return bytes([tag << 3]) + varint(value)

    def part(tag: int, *content: bytes | str) -> bytes:
        joined = b"".join(piece.encode() if isinstance(piece, str) else piece for piece in content)
        return bytes([tag << 3 | 2]) + varint(len(joined)) + joined

    def value(tag: int, name: str, *shape: int) -> bytes:
        dimensions = b"".join(part(1, number(1, size)) for size in shape)
        return part(tag, part(1, name), part(2, part(1, number(1, 1), part(2, dimensions))))

    sides = (1, 3, 1024, 1024)
    node = part(1, part(1, image), part(2, "rendering"), part(4, "Identity"))
    graph = node + part(2, "identity") + value(11, image, *sides) + value(11, age, 1) + value(12, "rendering", *sides)
    return number(1, 8) + part(7, graph) + part(8, number(2, 17))


def varint(value: int) -> bytes:
    result = b""
    while value > 127:
        result, value = result + bytes([value & 127 | 128]), value >> 7
    return result + bytes([value])
