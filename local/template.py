"""A SAM template from disk, packaged as `sam package` would: code zipped, definitions inlined.

The result is plain JSON that CloudFormation takes with the SAM transform; nothing else in it is changed.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import yaml

from local import definitions
from local.documents import Document, Json
from local.errors import StackFailed

Template = Document
Upload = Callable[[str, bytes], None]
"""Stores a package: (key, bytes) in the deployment bucket."""

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


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
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        match resource.get("Type"):
            case "AWS::Serverless::Function":
                resource.pop("Metadata", None)
                properties["CodeUri"] = _upload_code(path.parent, properties["Handler"], bucket, upload)
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


def _upload_code(root: Path, handler: str, bucket: str, upload: Upload) -> Mapping[str, str]:
    # The handler's top-level package is all that a function needs of the checkout; the libraries it needs
    # besides are in this process's environment, which local functions share.
    archive = zip_package(root / handler.split(".", 1)[0])
    key = f"code/{hashlib.sha256(archive).hexdigest()}.zip"
    upload(key, archive)
    return {"Bucket": bucket, "Key": key}


def zip_package(folder: Path) -> bytes:
    """Returns a package folder as a zip with that folder at its root; the same sources give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _sources(folder):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _sources(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file
