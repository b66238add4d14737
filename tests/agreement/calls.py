"""Which AWS calls a Lambda function can make, read from its source: the calls in everything its module reaches by name.

The clients are attributes of `Services` (functions/aws/), so a call is `<anything>.<client>.<operation>(...)`.
What is reached is followed from definition to definition across functions/, not from module to module, because a module
may hold the work of several Lambda functions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "functions"
_SERVICES = "aws.services"

CLIENTS = {
    "dynamodb": "dynamodb",
    "logs": "logs",
    "s3": "s3",
    "sagemaker": "sagemaker",
    "sagemaker_runtime": "sagemaker",
    "waiting_runtime": "sagemaker",
    "cloudwatch": "cloudwatch",
    "sns": "sns",
    "stepfunctions": "states",
}
"""Attributes of Services that are clients, and the prefix of their IAM actions."""

# Operations whose IAM action has another name (Service Authorization Reference, Amazon S3). Without ListBucket,
# HeadObject and GetObject of a key that is not there answer 403 instead of 404.
_S3_ACTIONS = {
    "head_object": {"s3:GetObject", "s3:ListBucket"},
    "get_object": {"s3:GetObject", "s3:ListBucket"},
    "presign:get_object": {"s3:GetObject"},
    "presign:put_object": {"s3:PutObject"},
    "generate_presigned_post": {"s3:PutObject"},
    "put_object": {"s3:PutObject"},
    "list_objects_v2": {"s3:ListBucket"},
    "list_object_versions": {"s3:ListBucketVersions"},
    # Of a version, where its source names one (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
    "copy_object": {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"},
    "upload_part_copy": {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the client's attribute, the operation, the table it is made on and the index, where there is one."""

    client: str
    operation: str
    table: str | None = None
    index: str | None = None
    versioned: bool = False

    @property
    def actions(self) -> frozenset[str]:
        """IAM actions that allow it."""
        if self.client == "s3":
            wanted = set(_S3_ACTIONS[self.operation])
            return frozenset(wanted | {"s3:GetObjectVersion"} if self.versioned else wanted)
        name = "".join(word.title() for word in self.operation.split("_"))
        passed = {"iam:PassRole"} if name == "CreateModel" else set()
        return frozenset({f"{CLIENTS[self.client]}:{name}"} | passed)


@dataclass(slots=True)
class _Module:
    tree: ast.Module
    names: dict[str, list[ast.AST]] = field(default_factory=dict)
    """What each top-level name stands for; a decorated function also belongs to the name that decorates it."""
    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Local name -> (module of functions/, name in it or None for the module itself)."""


@cache
def _module(name: str) -> _Module:
    """The module of a dotted name below functions/, such as `uploads.claims`."""
    tree = ast.parse(_path(name).read_text())
    module = _Module(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == PACKAGE.name:
            package = str(node.module).split(".")[1:]
            module.imported |= {alias.asname or alias.name: _imported(package, alias.name) for alias in node.names}
    for node in tree.body:
        for defined in _defined(node):
            module.names.setdefault(defined, []).append(node)
    return module


def _path(name: str) -> Path:
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py")


def _imported(package: list[str], name: str) -> tuple[str, str | None]:
    """`from functions.<package> import <name>`: a module of that package, or a name in the module of that path."""
    module = ".".join([*package, name])
    return (module, None) if _path(module).is_file() else (".".join(package), name)


def _defined(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
            yield node.name
            for decorator in node.decorator_list:
                yield from (one.id for one in ast.walk(decorator) if isinstance(one, ast.Name))
        case ast.Assign():
            yield from (one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def calls(module: str) -> frozenset[Call]:
    """Every AWS call in reach of `functions/<module>.py`; all of that module counts: a framework may call any of it.

    Errors: KeyError for an S3 operation without a known IAM action, ValueError for a DynamoDB call on no one table.
    """
    return frozenset(call for _, node in _reached(module) for call in _calls_in(node))


def variables(module: str) -> frozenset[str]:
    """Environment variables that the functions in reach of `functions/<module>.py` ask `Settings` for."""
    return frozenset(
        _SETTINGS[one.attr]
        for _, node in _reached(module)
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and one.attr in _SETTINGS and ast.unparse(one.value).endswith("settings")
    )


def _settings() -> dict[str, str]:
    """Property of Settings -> the variable it reads, the one word in capitals in its body."""
    (settings,) = (
        node for node in _module(_SERVICES).tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    return {
        node.name: one.value
        for node in settings.body
        if isinstance(node, ast.FunctionDef)
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isupper()
    }


def _reached(module: str) -> list[tuple[str, ast.AST]]:
    seen: dict[int, tuple[str, ast.AST]] = {}
    waiting: list[tuple[str, ast.AST]] = [(module, node) for node in _module(module).tree.body]
    while waiting:
        where, node = waiting.pop()
        if id(node) not in seen:
            seen[id(node)] = (where, node)
            waiting += _references(where, node)
    # The class that holds every setting is not a use of them.
    return [(where, node) for where, node in seen.values() if where != _SERVICES]


def _references(where: str, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What `node` names, as (module, definition)."""
    module = _module(where)
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name) if name in module.names:
                yield from ((where, target) for target in module.names[name])
            case ast.Name(id=name) if module.imported.get(name, ("", None))[1] is not None:
                source, inner = module.imported[name]
                yield from ((source, target) for target in _module(source).names.get(str(inner), []))
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in module.imported:
                source, inner = module.imported[name]
                if inner is None:
                    yield from ((source, target) for target in _module(source).names.get(attribute, []))


def _calls_in(node: ast.AST) -> Iterator[Call]:
    aliases = dict(_aliases(node))
    for one in ast.walk(node):
        match one:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=operation)) if name in aliases:
                yield _call(one, aliases[name], operation, node)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=client), attr=operation)) if client in CLIENTS:
                yield _call(one, client, operation, node)


def _aliases(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(name, client) for `name = services.client`, also inside `a, b = x, y`."""
    for one in ast.walk(node):
        match one:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr=client)) if client in CLIENTS:
                yield name, client
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=True):
                    if isinstance(target, ast.Name) and isinstance(value, ast.Attribute) and value.attr in CLIENTS:
                        yield target.id, value.attr


def _call(call: ast.Call, client: str, operation: str, scope: ast.AST) -> Call:
    keywords = {one.arg for one in call.keywords}
    if None in keywords:  # f(**arguments): the keys of the dictionaries in sight
        keywords |= {str(ast.literal_eval(key)) for key in _keys(scope) if isinstance(key, ast.Constant)}
    match operation, call.args:
        case "generate_presigned_url", [ast.Constant(value=str(signed)), *_]:
            return Call(client, f"presign:{signed}")
        case "get_paginator" | "get_waiter", [ast.Constant(value=str(paged)), *_]:
            # The arguments are those of the .paginate(...) around it: they are looked for in the same statement.
            keywords |= {one.arg for near in ast.walk(scope) if isinstance(near, ast.Call) for one in near.keywords}
            operation = paged
    return Call(
        client=client,
        operation=operation,
        table=_table(scope) if client == "dynamodb" else None,
        index=_index(scope) if client == "dynamodb" and operation == "query" else None,
        versioned="VersionId" in keywords,
    )


def _keys(scope: ast.AST) -> Iterator[ast.expr | None]:
    for one in ast.walk(scope):
        if isinstance(one, ast.Dict):
            yield from one.keys


def _table(scope: ast.AST) -> str:
    """The one table that a function's body names: `jobs` for `services.settings.jobs_table`."""
    named = {
        one.attr.removesuffix("_table")
        for one in ast.walk(scope)
        if isinstance(one, ast.Attribute) and one.attr.endswith("_table")
    }
    if len(named) != 1:
        raise ValueError(f"one function works on one table; {ast.unparse(scope)[:60]!r} names {sorted(named)}")
    return named.pop()


def _index(scope: ast.AST) -> str | None:
    """The index a query names literally, `*` for one it is given, None for the table itself."""
    for one in ast.walk(scope):
        if isinstance(one, ast.keyword) and one.arg == "IndexName":
            return one.value.value if isinstance(one.value, ast.Constant) else "*"  # type: ignore[return-value]
    return None


_SETTINGS = _settings()
