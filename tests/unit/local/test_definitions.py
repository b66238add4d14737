"""A state machine's definition as JSON or YAML."""

import json
from pathlib import Path

import pytest

from local import definitions
from local.definitions import DefinitionUnreadable
from local.errors import StackFailed
from local.template import package

YAML = """
StartAt: Wait
States:
  Wait: &wait
    Type: Wait
    Timestamp: 2026-03-28T12:00:00Z
    Next: On
  On: {Type: Pass, Result: {day: 2026-03-28, answer: yes, on: off, sure: true, none: null, n: 1.5}, End: true}
"""


def test_yaml_says_what_json_can_say() -> None:
    document = definitions.read(YAML)
    assert json.loads(json.dumps(document)) == document
    assert document["States"]["Wait"]["Timestamp"] == "2026-03-28T12:00:00Z"
    assert document["States"]["On"]["Result"] == {
        "day": "2026-03-28",
        "answer": "yes",
        "on": "off",
        "sure": True,
        "none": None,
        "n": 1.5,
    }


def test_json_is_taken_as_it_is() -> None:
    text = ' {"StartAt": "A",  "States": {}}'
    assert (definitions.as_json(text), definitions.read(text)) == (text, {"StartAt": "A", "States": {}})


@pytest.mark.parametrize(
    "text", ["{'StartAt': ", "{,}", "StartAt: [", "just words", "", "- a\n- b", "!!python/name:os.system"]
)
def test_what_is_neither_is_left_for_step_functions_to_refuse(text: str) -> None:
    assert definitions.as_json(text) == text
    with pytest.raises(DefinitionUnreadable, match="JSON"):
        definitions.read(text)


def test_anchors_do_not_multiply_without_end() -> None:
    levels = "\n".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 8))
    with pytest.raises(DefinitionUnreadable, match="100,000"):
        definitions.read(f"StartAt: A\nStates:\n  l0: &l0 [x, x]\n{levels}\n")


def test_a_template_names_a_file_of_either_kind(tmp_path: Path) -> None:
    (tmp_path / "m.asl.yaml").write_text(YAML)
    (tmp_path / "bad.asl.yaml").write_text("StartAt: [")
    template = tmp_path / "template.yaml"
    machine = "Resources: {M: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: %s}}}"
    template.write_text(machine % "m.asl.yaml")
    packaged = package(template, "bucket", lambda *_: None)["Resources"]["M"]["Properties"]
    assert packaged == {"Definition": definitions.read(YAML)}
    for name, why in (("bad.asl.yaml", "neither JSON nor YAML"), ("none.asl.json", "cannot be read")):
        template.write_text(machine % name)
        with pytest.raises(StackFailed, match=why):
            package(template, "bucket", lambda *_: None)
