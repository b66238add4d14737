"""What a SAM template becomes is kept; and the names of MiniStack's CloudFormation that this stands on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.services.cloudformation import changesets, engine, handlers

from local.ministack import transforms
from local.ministack.transforms import KEPT, SAM

MODULES = (changesets, engine, handlers)
TEMPLATE: dict[str, Any] = {
    "Transform": SAM,
    "Resources": {
        "Function": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Handler": "a.b", "Runtime": "python3.13", "CodeUri": {"Bucket": "b", "Key": "k"}},
        }
    },
}


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = {module: module._apply_transforms for module in MODULES}
    yield
    for module, transform in before.items():
        module._apply_transforms = transform


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What MiniStack itself was asked to transform."""
    asked: list[object] = []
    original = getattr(engine._apply_transforms, "of_ministack", engine._apply_transforms)

    def transform(template: dict[str, Any], *parameters: Any, **more: Any) -> Any:
        asked.append(template)
        return original(template, *parameters, **more)

    monkeypatch.setattr(engine, "_apply_transforms", transform)
    return asked


def test_the_same_template_is_transformed_once_whichever_request_brings_it(asked: list[object], tmp_path: Path) -> None:
    transforms.install(tmp_path)
    first, *others = [module._apply_transforms(TEMPLATE, {"Stage": "dev"}) for module in MODULES]
    assert first["Resources"]["Function"]["Type"] == "AWS::Lambda::Function"
    assert others == [first, first]
    assert len(asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {**TEMPLATE, "Description": "another"},
        {**TEMPLATE, "Transform": [SAM, "AWS::LanguageExtensions"]},
        {**TEMPLATE, "Outputs": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}}},
    ],
)
def test_what_depends_on_more_or_is_another_is_transformed(
    other: dict[str, Any], asked: list[object], tmp_path: Path
) -> None:
    transforms.install(tmp_path)
    for template in (TEMPLATE, other):
        try:
            handlers._apply_transforms(template, {})
        except ValueError as refusal:
            assert str(refusal)  # noqa: PT017 - what is refused is MiniStack's to say
    assert asked == [TEMPLATE, other]


def test_another_region_is_another_template(
    asked: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transforms.install(tmp_path)
    handlers._apply_transforms(TEMPLATE, {})
    monkeypatch.setattr(engine, "get_region", lambda: "eu-central-1")
    handlers._apply_transforms(TEMPLATE, {})
    assert len(asked) == 2


def test_a_file_that_was_cut_is_made_anew(asked: list[object], tmp_path: Path) -> None:
    transforms.install(tmp_path)
    first = handlers._apply_transforms(TEMPLATE, {})
    (place,) = tmp_path.iterdir()
    place.write_bytes(place.read_bytes()[:40])
    assert handlers._apply_transforms(TEMPLATE, {}) == first
    assert json.loads(place.read_bytes()) == first
    assert len(asked) == 2


def test_only_the_last_ones_are_kept(asked: list[object], tmp_path: Path) -> None:
    transforms.install(tmp_path)
    for number in range(KEPT + 2):
        handlers._apply_transforms({**TEMPLATE, "Description": str(number)}, {})
    assert len(list(tmp_path.iterdir())) == KEPT
    assert len(asked) == KEPT + 2
