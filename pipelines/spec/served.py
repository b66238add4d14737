"""Which framework containers SageMaker serves, from the tables inside the SDK, read as data: nothing of it is imported.

So a version that is gone is one of the problems of algorithm.yaml, told with the others and with the nearest there is.
"""

import importlib.util
import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from pipelines.documents import Json
from pipelines.problems import expected, shown
from pipelines.spec import Framework, FrameworkName

ONE_IMAGE: Final = frozenset({FrameworkName.SKLEARN, FrameworkName.XGBOOST})
"""Frameworks whose one image trains and serves; the table of serving images lags behind for these."""
_LISTED: Final = 6


def table_name(framework: Framework) -> str:
    """Returns the SDK's name of a framework's images."""
    if framework.toolkit is not None:
        return f"{framework.toolkit.name}-{framework.toolkit.base}"
    return "sparkml-serving" if framework.name is FrameworkName.SPARKML else framework.name.value


def problems_of(framework: Framework, scope: str, instance_type: str) -> Iterator[tuple[str, str]]:
    """Yields what no image is there for, as (key, text); `scope` is `training` or `inference`.

    The key is one of the framework's own, or `instance_type`.
    """
    table = _table(table_name(framework), "training" if framework.name in ONE_IMAGE else scope)
    if table is None:
        what = "one whose images train" if scope == "training" else "one whose images serve models"
        yield "name", expected(what, table_name(framework))
        return
    level: Mapping[str, Json] = table["versions"]
    aliases: Mapping[str, str] = table.get("version_aliases", {})
    for key, wanted, prefix in _wanted(framework):
        name = aliases.get(prefix + wanted, prefix + wanted)
        if name not in level:
            there = [other.removeprefix(prefix) for other in level if other.startswith(prefix) and _rank(other)]
            yield key, _no_such(wanted, there)
            return
        level, aliases = level[name], level[name].get("version_aliases", {})
    yield from _python_problem(framework.py_version, level)
    yield from _processor_problem(instance_type, table.get("processors") or level.get("processors"))


def _wanted(framework: Framework) -> list[tuple[str, str, str]]:
    """(key, version, prefix in the table), level by level."""
    if framework.transformers_version is None:
        return [("version", framework.version, "")]
    return [("transformers_version", framework.transformers_version, ""), ("version", framework.version, "pytorch")]


@cache
def _table(name: str, scope: str) -> Mapping[str, Json] | None:
    """Returns the versions of one end's images, or None where the framework has no such end."""
    package = importlib.util.find_spec("sagemaker")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise FileNotFoundError("expected the package sagemaker, found none")
    place = Path(folders[0]) / "image_uri_config" / f"{name}.json"
    if not place.is_file():
        return None
    table: Mapping[str, Json] = json.loads(place.read_bytes())
    if "scope" in table:
        return table if scope in table["scope"] else None
    return table.get(scope)


def _no_such(wanted: str, there: Collection[str]) -> str:
    """Names some of what is there around what was wanted, and the nearest."""
    by_distance = sorted(there, key=lambda name: abs(_rank(name) - _rank(wanted)))
    listed = sorted(by_distance[:_LISTED], key=_rank)
    more = ", ..." if len(there) > _LISTED else ""
    return f"expected one of {', '.join(listed)}{more}, found {shown(wanted)}; the nearest is {by_distance[0]}"


def _rank(version: str) -> int:
    """Returns a number that is greater for a later version: a step of one part outweighs all steps of the next."""
    parts = [int(part[:3]) for part in re.findall(r"\d+", version)[:4]]
    return sum(part * 1000**place for place, part in zip((3, 2, 1, 0), parts, strict=False))


def _python_problem(wanted: str, image: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    # Old images stand below the Python they hold; others list it, or leave it out where there is no choice.
    there = image.get("py_versions") if "repository" in image else list(image)
    if there and wanted not in there:
        yield "py_version", expected(" or ".join(there), wanted)


def _processor_problem(instance_type: str, there: Collection[str] | None) -> Iterator[tuple[str, str]]:
    family = instance_type.split(".")[1]
    kind = "gpu" if family[0] in "gp" else "cpu"
    if there and family not in there and kind not in there and not family.startswith(("inf", "trn")):
        yield "instance_type", expected(f"an instance with {' or '.join(there)}, as the image needs", instance_type)


def base_version(framework: Framework) -> str | None:
    """Returns PyTorch's version, on top of which a Hugging Face image is chosen by its library's; None for others."""
    return None if framework.transformers_version is None else f"pytorch{framework.version}"
