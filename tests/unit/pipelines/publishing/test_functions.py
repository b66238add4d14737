"""The code of functions is built, compared and sent where it differs; here AWS is moto and a build writes two files."""

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines.environment import Environment
from pipelines.problems import PublishError
from pipelines.publishing.apply import apply
from pipelines.publishing.changes import Action, Plan
from pipelines.publishing.functions import Functions, plan_functions
from pipelines.publishing.packages import make_build, packed
from tests.unit.memory import mock_aws
from tests.unit.pipelines.deployment import answer, mutations

ENVIRONMENT = Environment(account="123456789012")
NAMES = {"ApiFunction": "headrace-dev-api", "SweepFunction": "headrace-dev-sweep"}
CODE = {"functions/api.py": "print('api')\n", "library.py": "x = 1\n"}


@pytest.fixture
def functions() -> Iterator[Functions]:
    """Two functions that run CODE, zipped as another tool zips."""
    with mock_aws():
        session = boto3.Session("test", "test", region_name=ENVIRONMENT.region)
        made = Functions(
            cloudformation=session.client("cloudformation"),
            lambda_=session.client("lambda"),
            stack="headrace-dev",
            build=built(CODE),
            download=lambda _: zipped(CODE),
        )
        role = session.client("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        for name in NAMES.values():
            made.lambda_.create_function(
                FunctionName=name,
                Role=role,
                Runtime="python3.13",
                Handler="functions.api.handler",
                Code={"ZipFile": zipped(CODE)},
                Architectures=["arm64"],
            )
        answer(made.cloudformation, "ListStackResources", {"StackResourceSummaries": [*map(resource, NAMES.items())]})
        yield made


def resource(named: tuple[str, str]) -> dict[str, str]:
    logical_id, name = named
    return {"LogicalResourceId": logical_id, "PhysicalResourceId": name, "ResourceType": "AWS::Lambda::Function"}


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files, reverse=True):
            archive.writestr(name, files[name])
    return buffer.getvalue()


def built(files: Mapping[str, str]) -> Any:
    def build(_: str, place: Path) -> None:
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)

    return build


def planned(functions: Functions, folder: Path, *more: str) -> Plan:
    place = folder / "plan"
    shutil.rmtree(place, ignore_errors=True)
    return plan_functions(functions, ENVIRONMENT, [*NAMES, *more], place)


def test_the_same_files_in_another_zip_are_no_change(functions: Functions, tmp_path: Path) -> None:
    assert planned(functions, tmp_path).changed == ()


def test_where_the_package_cannot_be_looked_at_its_hash_decides(functions: Functions, tmp_path: Path) -> None:
    unseen = replace(functions, download=lambda _: None)
    plan = planned(unseen, tmp_path)
    assert [change.detail for change in plan.changed] == ["its package", "its package"]
    apply(plan, lambda _: None)
    assert planned(unseen, tmp_path).changed == ()


def test_code_that_differs_is_sent_and_says_which_files(functions: Functions, tmp_path: Path) -> None:
    changed = replace(functions, build=built({"functions/api.py": "print('new')\n", "other.py": ""}))
    calls = mutations(functions.lambda_)
    plan = planned(changed, tmp_path)
    assert calls == []
    assert {(change.name, change.action, change.detail) for change in plan.changed} == {
        (name, Action.UPDATE, "functions/api.py, - library.py, + other.py") for name in NAMES.values()
    }
    apply(plan, lambda _: None)
    assert calls == ["UpdateFunctionCode", "UpdateFunctionCode"]
    configuration = functions.lambda_.get_function_configuration(FunctionName="headrace-dev-api")
    assert configuration["Architectures"] == ["arm64"]
    assert planned(changed, tmp_path).changed == ()


def test_commands_that_name_the_machine_that_built_them_are_no_change(functions: Functions, tmp_path: Path) -> None:
    installed = {"bin/tool": "#!/here/python\n", "tool-1.dist-info/RECORD": "bin/tool,sha256=1\n", ".lock": ""}
    assert planned(replace(functions, build=built({**CODE, **installed})), tmp_path).changed == ()


def test_a_function_that_is_not_deployed_is_left_to_deploy(functions: Functions, tmp_path: Path) -> None:
    plan = planned(functions, tmp_path, "NewFunction")
    assert plan.notes == ("NewFunction: not in headrace-dev; `headrace deploy` makes it",)


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    for tree in ("one", "two"):
        built(CODE)("", tmp_path / tree)
        os.utime(tmp_path / tree / "library.py", (0, hash(tree) % 1_000_000))
    one, two = (packed(tmp_path / tree, tmp_path / f"{tree}.zip") for tree in ("one", "two"))
    assert one.sha256 == two.sha256
    assert one.file.read_bytes() == two.file.read_bytes()


def test_a_build_is_a_target_of_the_project_s_makefile(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("build-%:\n\tmkdir -p $(ARTIFACTS_DIR)\n\techo $* > $(ARTIFACTS_DIR)/name\n")
    make_build(tmp_path)("ApiFunction", tmp_path / "out")
    assert (tmp_path / "out" / "name").read_text() == "ApiFunction\n"


def test_a_build_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("build-%:\n\techo no wheel >&2; exit 3\n")
    with pytest.raises(PublishError, match=r"^make build-ApiFunction: ended with 2: no wheel"):
        make_build(tmp_path)("ApiFunction", tmp_path / "out")
