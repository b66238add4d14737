"""Packaging a template: what `sam package` does, without the SAM CLI."""

import io
import json
import zipfile
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from local import template
from local.errors import StackFailed

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {CodeUri: .}}
Resources:
  Function:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: makefile}
    Properties:
      Handler: code.hello.handler
      Environment:
        Variables:
          TABLE: !Ref Table
          NAME: !Sub "${AWS::StackName}-x"
          ARN: !GetAtt Table.Arn
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machines/one.asl.json
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "hello.py").write_text("def handler(event, context): return event\n")
    (tmp_path / "code" / "__pycache__" / "hello.pyc").write_bytes(b"\0")
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "one.asl.json").write_text('{"StartAt": "A"}')
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def test_code_goes_up_under_its_hash_and_definitions_go_inline(project: Path) -> None:
    stored: dict[str, Callable[[], bytes]] = {}
    packaged = template.package(project / "template.yaml", "bucket", stored.__setitem__)
    function = packaged["Resources"]["Function"]
    assert "Metadata" not in function
    code = function["Properties"]["CodeUri"]
    assert code["Bucket"] == "bucket"
    with zipfile.ZipFile(io.BytesIO(stored[code["Key"]]())) as archive:
        assert archive.namelist() == [cache_from_source("code/hello.py"), "code/hello.py"]
    assert packaged["Resources"]["Machine"]["Properties"] == {"Definition": {"StartAt": "A"}}


def test_functions_of_one_package_share_one_archive(project: Path) -> None:
    other = "\n  Other:\n    Type: AWS::Serverless::Function\n    Properties: {Handler: code.other.handler}\n"
    (project / "template.yaml").write_text(TEMPLATE + other)
    stored: list[str] = []
    resources = template.package(project / "template.yaml", "bucket", lambda key, _: stored.append(key))["Resources"]
    assert resources["Function"]["Properties"]["CodeUri"] == resources["Other"]["Properties"]["CodeUri"]
    assert len(stored) == 1


def test_short_tags_become_intrinsic_functions(project: Path) -> None:
    variables = template.read(project / "template.yaml")["Resources"]["Function"]["Properties"]["Environment"]
    assert variables["Variables"] == {
        "TABLE": {"Ref": "Table"},
        "NAME": {"Fn::Sub": "${AWS::StackName}-x"},
        "ARN": {"Fn::GetAtt": ["Table", "Arn"]},
    }


def test_a_packaged_template_is_plain_json(project: Path) -> None:
    packaged = template.package(project / "template.yaml", "bucket", lambda *_: None)
    assert json.loads(json.dumps(packaged)) == packaged


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a: [1", "not valid YAML"), ("- a list", "Resources"), ("Parameters: {}", "Resources")],
)
def test_a_template_that_is_none_is_refused_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(text)
    with pytest.raises(StackFailed, match=expected) as failure:
        template.read(file)
    assert str(file) in str(failure.value)


def test_a_template_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="cannot be read"):
        template.read(tmp_path / "template.yaml")
