"""Input templates of pipes: text, paths and reserved variables."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.pipes import templates
from local.pipes.templates import Names, TemplateInvalid

NAMES = Names("arn:pipe", "p", "arn:source", "arn:target", "arn:enrichment", "2026-12-01T00:00:00.000Z")
EVENT = {
    "messageId": "m-1",
    "body": json.dumps({"name": 'a "quoted" word', "n": 3, "Records": [{"k": 1}, {"k": 2}], "a/b": {"c-d": True}}),
    "attributes": {"SenderId": "000000000000"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hello, sender", "Hello, sender"),
        ("<$.attributes.SenderId>", "000000000000"),
        ("Hello, <$.attributes.SenderId>", "Hello, 000000000000"),
        ('{"key1": "value1"}', {"key1": "value1"}),
        ('{"n": <$.body.n>, "at": <aws.pipes.event.ingestion-time>}', {"n": 3, "at": "2026-12-01T00:00:00.000Z"}),
        ('{"text": "<$.body.name> by <aws.pipes.pipe-name>"}', {"text": 'a "quoted" word by p'}),
        ('{"second": <$.body.Records[1]>}', {"second": {"k": 2}}),
        ('{"all": <$.body.Records[*].k>}', {"all": [1, 2]}),
        ('{"none": <$.body.nothing.there>, "out": <$.body.Records[9]>}', {"none": None, "out": None}),
        ("<$.body.a/b.c-d>", True),
        ("<$.body>", EVENT["body"]),
        ("<aws.pipes.event>", EVENT),
        ('{"it": <aws.pipes.event.json>}', {"it": {**EVENT, "body": json.loads(str(EVENT["body"]))}}),
        ("a < b and <b> stays", "a < b and <b> stays"),
    ],
)
def test_a_template_is_filled(template: str, expected: Any) -> None:
    templates.check(template)
    assert templates.render(template, EVENT, NAMES) == expected


def test_a_variable_that_is_none_is_refused() -> None:
    with pytest.raises(TemplateInvalid, match="there is no variable"):
        templates.check('{"a": <aws.pipes.nonsense>}')
    with pytest.raises(TemplateInvalid, match="8193 characters"):
        templates.check("x" * 8193)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_a_message_holds_makes_json_of_a_json_template(value: Any) -> None:
    event = {"body": json.dumps({"v": value})}
    filled = templates.render('{"as": <$.body.v>, "in": "<$.body.v>"}', event, NAMES)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    assert filled == {"as": value, "in": text}
