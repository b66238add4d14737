"""The code of the stack's Lambda functions: built as `sam build` builds it, compared, and sent where it differs.

`sam sync --code` does the same, but has no plan to look at before it begins, and takes a function whose zip was made
elsewhere for changed. All else about a function (memory, role, environment) is the template's: `headrace deploy`.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipelines.environment import Environment
from pipelines.problems import PublishError
from pipelines.publishing.changes import Action, Change, Kind, Plan, Step, unchanged
from pipelines.publishing.packages import Package, content_sha256, packed
from pipelines.publishing.publication import reading

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient

_BUILDERS: Final = 4
_MAX_BYTES: Final = 50 * 1024 * 1024
"""What UpdateFunctionCode takes in its request."""
_NAMED_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions of one stack, and how their code is built and looked at."""

    cloudformation: "CloudFormationClient"
    lambda_: "LambdaClient"
    stack: str
    build: Callable[[str, Path], None]
    """Build the package of a logical id into a folder. Raises PublishError."""
    download: Callable[[str], bytes | None]
    """What stands at a URL, or None where it cannot be had."""


def plan_functions(functions: Functions, environment: Environment, logical_ids: Sequence[str], folder: Path) -> Plan:
    """Plans what is to be done about a template's functions; their packages are kept in `folder` until it is done."""
    with reading(environment):
        physical = _physical_names(functions)
        there = [logical_id for logical_id in logical_ids if logical_id in physical]
        packages = _packages(functions, there, folder)
        deployed = _Deployed(functions, {})
        steps = [_step(functions, deployed, physical[logical_id], packages[logical_id]) for logical_id in there]
    absent = [logical_id for logical_id in logical_ids if logical_id not in physical]
    return Plan.of(
        steps, [f"{logical_id}: not in {functions.stack}; `headrace deploy` makes it" for logical_id in absent]
    )


def _packages(functions: Functions, logical_ids: Sequence[str], folder: Path) -> dict[str, Package]:
    """Packs the code of each function; those that hold the same are one file."""
    trees = [folder / "functions" / logical_id for logical_id in logical_ids]
    with ThreadPoolExecutor(_BUILDERS) as pool:
        list(pool.map(functions.build, logical_ids, trees))
    made: dict[str, Package] = {}
    packages = {}
    for logical_id, tree in zip(logical_ids, trees, strict=True):
        content = content_sha256(tree)
        if content not in made:
            made[content] = packed(tree, folder / f"{content}.zip")
        packages[logical_id] = made[content]
        if made[content].size > _MAX_BYTES:
            raise PublishError(f"{logical_id}: expected at most {_MAX_BYTES} bytes, found {made[content].size}")
    return packages


def _physical_names(functions: Functions) -> dict[str, str]:
    """Logical id -> function name."""
    pages = functions.cloudformation.get_paginator("list_stack_resources").paginate(StackName=functions.stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::Lambda::Function" and "PhysicalResourceId" in resource
    }


@dataclass(frozen=True, slots=True)
class _Deployed:
    """The packages that functions run, each looked at once: most of them share one."""

    functions: Functions
    by_sha256: dict[str, Mapping[str, int] | None]

    def entries(self, name: str, sha256: str) -> Mapping[str, int] | None:
        """Returns the checksum of each file, or None when the package cannot be looked at."""
        if sha256 not in self.by_sha256:
            self.by_sha256[sha256] = self._entries(name)
        return self.by_sha256[sha256]

    def _entries(self, name: str) -> Mapping[str, int] | None:
        try:
            location = self.functions.lambda_.get_function(FunctionName=name)["Code"].get("Location")
        except ClientError:
            # Some may update code that they may not read: then only the hash tells.
            return None
        content = self.functions.download(location) if location else None
        if content is None:
            return None
        try:
            with zipfile.ZipFile(BytesIO(content)) as archive:
                return {info.filename: info.CRC for info in archive.infolist() if not info.is_dir()}
        except zipfile.BadZipFile:
            return None


def _step(functions: Functions, deployed: _Deployed, name: str, package: Package) -> Step:
    configuration = functions.lambda_.get_function_configuration(FunctionName=name)
    sha256 = configuration["CodeSha256"]
    if sha256 == package.sha256:
        return unchanged(Kind.FUNCTION, name)
    # SAM zips the same files in another order.
    before = deployed.entries(name, sha256)
    differing = list(_differences(before, package.entries)) if before is not None else ["its package"]
    if not differing:
        return unchanged(Kind.FUNCTION, name)
    return Step(
        Change(Kind.FUNCTION, name, Action.UPDATE, _enumerated(differing), package.size),
        partial(_update, functions, name, package, configuration.get("Architectures", [])),
    )


def _update(functions: Functions, name: str, package: Package, architectures: Sequence[Any]) -> None:
    settled = functions.lambda_.get_waiter("function_updated_v2")
    # An update that was interrupted may still be on its way, and Lambda takes one at a time.
    settled.wait(FunctionName=name)
    # Left out, the architectures would be Lambda's default and not what the template says.
    functions.lambda_.update_function_code(
        FunctionName=name, ZipFile=package.file.read_bytes(), Architectures=list(architectures) or ["x86_64"]
    )
    settled.wait(FunctionName=name)


def _differences(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """Yields the files that differ. Installed commands and the records of them name the machine that built them."""
    for name in sorted(before.keys() | after.keys()):
        if name.startswith("bin/") or name.endswith(".dist-info/RECORD") or name == ".lock":
            continue
        if name not in before:
            yield f"+ {name}"
        elif name not in after:
            yield f"- {name}"
        elif before[name] != after[name]:
            yield name


def _enumerated(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join([*names[:_NAMED_AT_MOST], f"{more} more"] if more > 0 else names)
