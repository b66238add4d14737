"""The language inside a JSONPath filter, `[?( )]`: comparisons of paths below `@` with literals or other paths."""

import operator
import re
from collections.abc import Callable
from typing import Any

from local.stepfunctions.asl.documents import equal, is_number
from local.stepfunctions.asl.errors import SyntaxProblem
from local.stepfunctions.asl.patterns import Pattern, PatternProblem

Predicate = Callable[[Any, Any], bool]
"""Of an item (`@`) and of the whole that the path is read in (`$`)."""
_Operand = Callable[[Any, Any], Any]
_MISSING = object()

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>===|!==|==|!=|<=|>=|=~|<|>|&&|\|\||!|\(|\))|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>true|false|null|in|nin|contains|size|empty|anyof|noneof|subsetof)\b(?!-)"""
    r"""|'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|/(?P<regex>(?:[^/\\]|\\.)*)/(?P<flags>i?)"""
    r"""|(?P<path>[@$](?:\.?\[\s*(?:-?\d+|'[^']*'|"[^"]*")\s*\]|\.(?!length\(\))(?:\\.|[^\s.\[\]()=!<>&|,~\\])+)*(?P<length>\.length\(\))?)"""
    r"""|(?P<list>\[[^\[\]]*\])|(?P<bare>[^\W\d][\w-]*))"""
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_STEP = re.compile(
    r"""\.?\[\s*(?:(?P<index>-?\d+)|'(?P<single>[^']*)'|"(?P<double>[^"]*)")\s*\]|\.(?P<name>(?:\\.|[^\s.\[\]()=!<>&|,~\\])+)"""
)
_COMPARISONS = (
    "==", "!=", "===", "!==", "<", "<=", ">", ">=", "=~",
    "in", "nin", "contains", "size", "empty", "anyof", "noneof", "subsetof",
)  # fmt: skip
_LITERALS = {"true": True, "false": False, "null": None}


def parse_filter(text: str, position: int) -> tuple[Predicate, int]:
    """Reads from the opening parenthesis on; returns the position after the closing one, too. Raises SyntaxProblem."""
    if not text.startswith("(", position):
        raise SyntaxProblem("'(' expected after '?'")
    parser = _Parser(text, position + 1)
    predicate = parser.disjunction()
    parser.expect(")")
    return predicate, parser.position


class _Parser:
    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position

    def peek(self) -> re.Match[str]:
        token = _TOKEN.match(self.text, self.position)
        if token is None:
            raise SyntaxProblem(f"cannot read the filter at {self.text[self.position :]!r}")
        return token

    def take(self) -> re.Match[str]:
        token = self.peek()
        self.position = token.end()
        return token

    def follows(self, *operators: str) -> bool:
        token = _TOKEN.match(self.text, self.position)
        return token is not None and (token["op"] in operators or token["word"] in operators)

    def expect(self, sign: str) -> None:
        if self.take()["op"] != sign:
            raise SyntaxProblem(f"{sign!r} expected in the filter")

    def disjunction(self) -> Predicate:
        parts = [self.conjunction()]
        while self.follows("||"):
            self.take()
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else lambda node, root: any(part(node, root) for part in parts)

    def conjunction(self) -> Predicate:
        parts = [self.term()]
        while self.follows("&&"):
            self.take()
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else lambda node, root: all(part(node, root) for part in parts)

    def term(self) -> Predicate:
        if self.follows("!"):
            self.take()
            inner = self.term()
            return lambda node, root: not inner(node, root)
        if self.follows("("):
            self.take()
            inner = self.disjunction()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Predicate:
        left = self.operand()
        if not self.follows(*_COMPARISONS):
            return lambda node, root: left(node, root) is not _MISSING
        token = self.take()
        sign = token["op"] or token["word"]
        right = self.operand()
        return lambda node, root: _compare(sign, left(node, root), right(node, root))

    def operand(self) -> _Operand:
        token = self.take()
        if token["path"] is not None:
            return _path(token["path"], has_length=token["length"] is not None)
        value = _literal(token)
        return lambda _node, _root: value


def _literal(token: re.Match[str]) -> Any:
    if token["number"] is not None:
        return float(token["number"]) if "." in token["number"] else whole_number(token["number"])
    if token["word"] in _LITERALS:
        return _LITERALS[token["word"]]
    if token["regex"] is not None:
        try:
            return Pattern(token["regex"], ignore_case=bool(token["flags"]))
        except PatternProblem as error:
            raise SyntaxProblem(f"not a regular expression: {error}") from error
    if token["bare"] is not None:
        # Jayway asks for quotes; definitions that run on AWS have none (aws-local-stepfunctions#79, moto#7825).
        return token["bare"]
    if token["list"] is not None:
        items = token["list"][1:-1].strip()
        return [_literal(_item(item.strip())) for item in items.split(",")] if items else []
    text = token["single"] if token["single"] is not None else token["double"]
    if text is None:
        raise SyntaxProblem(f"a value expected, not {token[0]!r}")
    return re.sub(r"\\(.)", r"\1", text)


def whole_number(text: str) -> int:
    """Raises SyntaxProblem where it has more digits than Python reads at once."""
    try:
        return int(text)
    except ValueError as error:
        raise SyntaxProblem(f"{text[:20]}... is too large a number") from error


def _item(text: str) -> re.Match[str]:
    token = _TOKEN.fullmatch(text)
    if token is None:
        raise SyntaxProblem(f"cannot read {text!r} in the filter")
    return token


def _path(text: str, *, has_length: bool) -> _Operand:
    steps: list[str | int] = [_step(match) for match in _STEP.finditer(text.removesuffix(".length()"), 1)]
    of_root = text.startswith("$")

    def read(node: Any, root: Any) -> Any:
        value = root if of_root else node
        for step in steps:
            if isinstance(step, str):
                if not isinstance(value, dict) or step not in value:
                    return _MISSING
            elif not isinstance(value, list) or not -len(value) <= step < len(value):
                return _MISSING
            value = value[step]
        if has_length:
            return len(value) if isinstance(value, list | dict | str) else _MISSING
        return value

    return read


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        return whole_number(match["index"])
    if match["name"] is not None:
        return re.sub(r"\\(.)", r"\1", match["name"])
    return match["single"] if match["single"] is not None else match["double"]


def _compare(sign: str, left: Any, right: Any) -> bool:
    match sign:
        case "==" | "===":
            return _same(left, right)
        case "!=" | "!==":
            return not _same(left, right)
        case "=~":
            return isinstance(right, Pattern) and isinstance(left, str) and right.fullmatch(left) is not None
        case "in":
            return isinstance(right, list) and any(_same(left, item) for item in right)
        case "nin":
            return isinstance(right, list) and not any(_same(left, item) for item in right)
        case "contains":
            return _contains(left, right)
        case "size":
            return isinstance(left, list | str) and is_number(right) and len(left) == right
        case "empty":
            return isinstance(left, list | dict | str) and (not left) is bool(right)
        case "anyof" | "noneof" | "subsetof":
            return _of(sign, left, right)
        case _:
            comparable = (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
            return comparable and _ORDER[sign](left, right)


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return isinstance(left, list) and any(_same(item, right) for item in left)


def _of(sign: str, left: Any, right: Any) -> bool:
    if not isinstance(left, list) or not isinstance(right, list):
        return False
    shared = [any(_same(item, other) for other in right) for item in left]
    return {"anyof": any(shared), "noneof": not any(shared), "subsetof": all(shared)}[sign]


def _same(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return bool(left == right)
    return left is right or equal(left, right)
