"""The fast scanner and the one whose words a person reads give the same data."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.spec.yaml_text import read

ROOT = Path(__file__).parents[4]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def by_both(content: bytes) -> tuple[object, object]:
    with pytest.MonkeyPatch.context() as patch:
        fast = read(content)
        patch.setattr(yaml, "__with_libyaml__", False)
        return fast, read(content)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="this PyYAML has no libyaml, so there is one scanner")
@settings(max_examples=150)
@given(data=VALUES, flow=st.booleans(), wide=st.booleans())
def test_what_one_writes_both_read_alike(data: object, flow: bool, wide: bool) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=wide).encode()
    fast, plain = by_both(text)
    assert repr(fast) == repr(plain)


@pytest.mark.parametrize(
    "place", sorted((ROOT / "algorithms").glob("*/algorithm.yaml")), ids=lambda place: place.parent.name
)
def test_the_catalogue_reads_alike(place: Path) -> None:
    fast, plain = by_both(place.read_bytes())
    assert fast == plain


@pytest.mark.parametrize(
    "text",
    [
        "a: [b",
        "a: 'b",
        "a: |2\n x",
        "a: b: c",
        "- a\nb: c",
        "a: !t b",
        "a: &x [*x]",
        "\tb: c",
        "a:\tb",
        "%x\n---\na: b",
    ],
)
def test_what_is_wrong_is_told_in_the_same_words(text: str) -> None:
    fast, plain = by_both(text.encode())
    assert fast == plain
