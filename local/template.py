"""A SAM template from disk, packaged as `sam package` would: code zipped, definitions inlined.

The result is plain JSON that CloudFormation takes with the SAM transform; nothing else in it is changed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import yaml

from local import definitions
from local.archives import Archive
from local.documents import Document, Json
from local.errors import StackFailed

Template = Document
Upload = Callable[[str, Callable[[], bytes]], None]
"""Stores a package in the deployment bucket: its key, and what makes its bytes where it is not there yet."""


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags (`!Sub`, `!GetAtt` ...)."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> Document:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    value: Json
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(cast(yaml.MappingNode, node), deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _intrinsic)


def read(path: Path) -> Template:
    """Returns the template as plain data. Raises StackFailed with the place when it is not YAML."""
    try:
        # A CSafeLoader with constructors for CloudFormation's tags; it builds plain data only.
        document = yaml.load(path.read_text("utf-8"), Loader=_Loader)
    except OSError as error:
        raise StackFailed(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise StackFailed(f"{path}: not valid YAML: {error}") from error
    if not isinstance(document, dict) or "Resources" not in document:
        raise StackFailed(f"{path}: expected a template with a Resources section")
    return document


def package(path: Path, bucket: str, upload: Upload) -> Template:
    """Returns the template with its code uploaded to `bucket` under content hashes and its definitions inlined."""
    template = read(path)
    codes: dict[str, Mapping[str, str]] = {}
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        match resource.get("Type"):
            case "AWS::Serverless::Function":
                resource.pop("Metadata", None)
                # The handler's top-level package is all that a function needs of the checkout, and many share one; the
                # libraries it needs besides are in this process's environment, which local functions share.
                name = properties["Handler"].split(".", 1)[0]
                if name not in codes:
                    codes[name] = _upload_code(path.parent / name, bucket, upload)
                properties["CodeUri"] = codes[name]
            case "AWS::Serverless::StateMachine" if "DefinitionUri" in properties:
                definition = path.parent / properties.pop("DefinitionUri")
                properties["Definition"] = _definition(definition)
    return template


def _definition(path: Path) -> Json:
    try:
        return definitions.read(path.read_text("utf-8"))
    except OSError as error:
        raise StackFailed(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise StackFailed(f"{path}: {error}") from error


def _upload_code(folder: Path, bucket: str, upload: Upload) -> Mapping[str, str]:
    archive = Archive(folder)
    key = f"code/{archive.digest}.zip"
    upload(key, archive.body)
    return {"Bucket": bucket, "Key": key}
