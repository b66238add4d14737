"""The expressions of JSONPath states: `$.path`, `$$.context`, `$variable` and `States.Function(...)`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.asl.errors import INTRINSIC_FAILURE, StatesError, SyntaxProblem, runtime
from local.stepfunctions.asl.intrinsics import INTRINSICS, Intrinsic, IntrinsicError, format_pieces
from local.stepfunctions.asl.jsonpath import paths
from local.stepfunctions.asl.jsonpath.paths import NoSuchPath, Path, TooManyPlaces
from local.stepfunctions.asl.patterns import PatternTooSlow
from local.stepfunctions.asl.scope import Expression, Scope

_VARIABLE = re.compile(r"\$([^\W\d]\w*)")
_CALL = re.compile(r"\s*States\.(\w+)\s*\(")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"(?:true|false|null)\b")
_RESERVED = "'{}\\"


class UnknownPath(Exception):
    """A path in an expression leads nowhere."""

    def __init__(self, path: str, reason: str, where: Any) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self.where = where

    def for_field(self, field: str) -> str:
        return (
            f"The JSONPath '{self.path}' specified for the field '{field}' could not be found in the input "
            f"'{encode(self.where)}'"
        )

    def for_path(self) -> StatesError:
        return runtime(f"Invalid path '{self.path}' : {self.reason}")


def is_path(text: str) -> bool:
    return text.startswith("$")


def compile_path(text: str) -> Expression:
    """`$`, `$$` or `$name`, and steps below. The expression raises UnknownPath; this raises SyntaxProblem."""
    text = text.strip()
    if text.startswith("$$"):
        return _rooted(text, paths.parse(text[2:]), in_context=True)
    variable = _VARIABLE.match(text)
    if variable is not None:
        return _variable(text, variable[1], paths.parse(text[variable.end() :]))
    if not text.startswith("$"):
        raise SyntaxProblem(f"{text!r} is not a path: it does not begin with '$'")
    return _rooted(text, paths.parse(text[1:]), in_context=False)


def _rooted(text: str, path: Path, *, in_context: bool) -> Expression:
    if not path.steps:
        return (lambda _root, scope: scope.context) if in_context else (lambda root, _scope: root)

    def read(root: Any, scope: Scope) -> Any:
        return _found(text, path, scope.context if in_context else root)

    return read


def _variable(text: str, name: str, path: Path) -> Expression:
    def read(_root: Any, scope: Scope) -> Any:
        if name not in scope.variables:
            raise UnknownPath(text, f"The variable '{name}' is not defined", {})
        return _found(text, path, scope.variables[name])

    return read


def _found(text: str, path: Path, where: Any) -> Any:
    try:
        return path.read(where)
    except NoSuchPath as error:
        raise UnknownPath(text, str(error), where) from None
    except (TooManyPlaces, PatternTooSlow) as error:
        raise runtime(f"The path '{text}' cannot be read: {error}") from error
    except RecursionError:
        raise runtime(f"The path '{text[:100]}...' has too many steps") from None


def compile_expression(text: str) -> Expression:
    """Returns a path or a call. Raises SyntaxProblem."""
    if is_path(text):
        return compile_path(text)
    expression, end = _call(text, 0)
    if text[end:].strip():
        raise SyntaxProblem(f"nothing may follow the call: {text[end:]!r}")
    return expression


def _call(text: str, position: int) -> tuple[Expression, int]:
    head = _CALL.match(text, position)
    if head is None or head[1] not in INTRINSICS:
        raise SyntaxProblem(f"{text!r} is neither a path nor an intrinsic function")
    arguments, end = _arguments(text, head.end())
    intrinsic = INTRINSICS[head[1]]
    quote = _skip(text, head.end())
    if head[1] == "Format" and text.startswith("'", quote):
        # Only here are \{\} and {} two things: the template is cut before its escapes are gone.
        pieces = _pieces(text, quote + 1)
        intrinsic = replace(intrinsic, call=lambda values, _effects: format_pieces(pieces, values[1:]))
    if len(arguments) < intrinsic.least or (intrinsic.most is not None and len(arguments) > intrinsic.most):
        raise SyntaxProblem(f"States.{head[1]} does not take {len(arguments)} arguments")
    return _applied(intrinsic, arguments, text[position:end].strip()), end


def _applied(intrinsic: Intrinsic, arguments: Sequence[Expression], text: str) -> Expression:
    def apply(root: Any, scope: Scope) -> Any:
        values = [argument(root, scope) for argument in arguments]
        try:
            return intrinsic.call(values, scope.effects)
        except (IntrinsicError, ArithmeticError, ValueError, RecursionError) as error:
            raise StatesError(INTRINSIC_FAILURE, f"The function '{text}' had the following error: {error}") from error

    return apply


def _arguments(text: str, position: int) -> tuple[list[Expression], int]:
    arguments: list[Expression] = []
    position = _skip(text, position)
    if text.startswith(")", position):
        return arguments, position + 1
    while True:
        argument, position = _argument(text, _skip(text, position))
        arguments.append(argument)
        position = _skip(text, position)
        if text.startswith(")", position):
            return arguments, position + 1
        if not text.startswith(",", position):
            raise SyntaxProblem(f"',' or ')' expected at {text[position:]!r}")
        position += 1


def _argument(text: str, position: int) -> tuple[Expression, int]:
    if text.startswith("'", position):
        literal, end = _string(text, position + 1)
        return (lambda _root, _scope: literal), end
    if text.startswith("$", position):
        end = _path_end(text, position)
        return compile_path(text[position:end]), end
    number = _NUMBER.match(text, position)
    if number is not None:
        value = _literal(number[0])
        return (lambda _root, _scope: value), number.end()
    word = _WORD.match(text, position)
    if word is not None:
        constant = _WORDS[word[0]]
        return (lambda _root, _scope: constant), word.end()
    return _call(text, position)


def _literal(number: str) -> Any:
    try:
        return decode(number)
    except ValueError as error:
        raise SyntaxProblem(f"{number[:20]}... is no number of JSON: {error}") from error


def _pieces(text: str, position: int) -> list[str]:
    """Returns a literal, cut at each `{}` of it."""
    pieces, begin = [], position
    while not text.startswith("'", position):
        if text.startswith("{}", position):
            pieces.append(text[begin:position])
            begin = position = position + 2
        else:
            position += 2 if text[position] == "\\" else 1
    return [_string(f"{piece}'", 0)[0] for piece in (*pieces, text[begin:position])]


def _string(text: str, position: int) -> tuple[str, int]:
    """Reads on after the opening quote. A backslash escapes the four reserved characters and nothing else."""
    out: list[str] = []
    while position < len(text):
        sign = text[position]
        if sign == "'":
            return "".join(out), position + 1
        if sign == "\\":
            position += 1
            sign = text[position : position + 1]
            if not sign or sign not in _RESERVED:
                raise SyntaxProblem(f"'\\{sign}' is not an escape sequence")
        out.append(sign)
        position += 1
    raise SyntaxProblem("a string is not closed")


def _path_end(text: str, position: int) -> int:
    """Returns where a path ends: at a comma or a parenthesis of the call, not at one inside its own brackets."""
    depth = 0
    while position < len(text):
        sign = text[position]
        if sign == "\\":
            position += 1
        elif sign == "[":
            depth += 1
        elif sign == "]":
            depth -= 1
        elif depth <= 0 and sign == "(" and text.startswith("()", position):
            position += 1
        elif depth <= 0 and sign in ",)":
            break
        position += 1
    return position


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
