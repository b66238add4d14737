"""JSONata that is evaluated within the bounds of `meters.py`.

The package's own functions are wrapped, so that what they give is measured even where no lambda lies between them;
those that make much of little, or copy what they have for each item, have a counterpart here that asks first.
"""

import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import jsonata  # type: ignore[import-untyped]
from jsonata import datetimeutils

from local.documents import Json
from local.stepfunctions.asl.documents import distinct, is_number
from local.stepfunctions.asl.jsonata.meters import Meter, TooMuch
from local.stepfunctions.asl.patterns import MOST_SECONDS, Pattern, PatternProblem

_PACKAGE = jsonata.Functions
_MAX_PICTURE = 1_000
"""Characters of a picture, and of a text that is read by one."""
_WIDE = re.compile(r",[^\]]*[\d_]{3}")
"""In a picture: a component of more than 99 characters."""
_RUNNING = threading.local()


class Expression(jsonata.Jsonata):  # type: ignore[misc]
    """One compiled expression."""

    def __init__(self, text: str) -> None:
        super().__init__(text, _pattern)
        self.environment = self.create_frame(_BOUNDED)
        self.set_output_convert_nulls(False)
        self.set_validate_input(False)
        self._joins = any(sign in text for sign in "@#%")

    def run(self, bindings: Mapping[str, Json]) -> Any:
        """Raises TooMuch, and whatever the package raises."""
        meter = Meter((*bindings.values(), *bindings["states"].values()), joins=self._joins)
        _RUNNING.meter = meter
        try:
            return self.evaluate(None, {**bindings, "__evaluate_exit": meter.evaluated})
        finally:
            del _RUNNING.meter

    def evaluate_wildcard(self, _expression: Any, input: Any) -> Any:  # noqa: A002
        """Does as the package, which copies what it has found for each array among the values."""
        outer = isinstance(input, jsonata.Utils.JList) and input.outer_wrapper and input
        items = input[0] if outer else input
        values = items.values() if isinstance(items, dict) else items if isinstance(items, list) else ()
        flat: list[Json] = []
        for value in values:
            self.flatten(value, flat)
        return jsonata.Utils.create_sequence_from_iter(flat)

    def evaluate_transform_expression(self, expr: Any, input: Any, environment: Any) -> Any:  # noqa: A002
        return _Transform(super().evaluate_transform_expression(expr, input, environment))


def _meter() -> Meter:
    meter: Meter = _RUNNING.meter
    return meter


class _Bounded(jsonata.Jsonata.JNativeFunction):  # type: ignore[misc]
    """A function of the package, or its counterpart, whose result is measured."""

    def __init__(self, function: Any, body: Callable[..., Any] | None) -> None:
        self.__dict__.update(function.__dict__)
        if body is not None:
            self.method = body

    def call(self, input: Any, args: Any) -> Any:  # noqa: A002
        result = super().call(input, args)
        _meter().made(result)
        return result


class _Transform(jsonata.Jsonata.JFunction):  # type: ignore[misc]
    """It changes the copy that it gives in place: what was measured of that while it did is no longer true."""

    def __init__(self, function: Any) -> None:
        self.__dict__.update(function.__dict__)

    def call(self, input: Any, args: Any) -> Any:  # noqa: A002
        result = super().call(input, args)
        _meter().forget()
        _meter().made(result)
        return result


# Regular expressions.


def _pattern(text: str, flags: Any = None) -> Pattern:
    try:
        return Pattern(
            text,
            ignore_case=flags is not None and flags.case_insensitive,
            multiline=flags is not None and flags.multiline,
            too_slow=_too_slow,
        )
    except PatternProblem as error:
        raise ValueError(str(error)) from error


def _too_slow(pattern: str) -> TooMuch:
    return TooMuch("D1012", f"The regular expression /{pattern}/ takes more than {MOST_SECONDS} s")


class _PictureExpressions:
    """Stands for `re` where the package makes a regular expression of a picture, of which it escapes nothing."""

    IGNORECASE = re.IGNORECASE
    split = staticmethod(re.split)
    sub = staticmethod(re.sub)

    @staticmethod
    def compile(text: str, flags: int = 0) -> Any:
        # The one without flags is the package's own.
        return _Insensitive(text) if flags else re.compile(text)


class _Insensitive(Pattern):
    def __init__(self, text: str) -> None:
        super().__init__(text, ignore_case=True, too_slow=_too_slow)


datetimeutils.re = _PictureExpressions


def _expected(function: str, argument: int) -> jsonata.JException:
    return jsonata.JException("T0410", -1, argument, function)


def _matches(function: str, text: Any, pattern: Any, limit: Any) -> Iterator[Any]:
    """Yields those of a regular expression, each measured with its groups."""
    if not isinstance(text, str):
        raise _expected(function, 1)
    if not isinstance(pattern, Pattern):
        raise _expected(function, 2)
    matches = pattern.finditer(text)
    for match in matches if limit is None else islice(matches, math.ceil(limit)):
        _meter().room(len(match[0]) + sum(len(group) + 16 for group in match.groups() if group is not None) + 64)
        yield match


def _match(text: Any, pattern: Any, limit: Any) -> Any:
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise jsonata.JException("D3040", -1, limit)
    return jsonata.Utils.create_sequence_from_iter(
        {"match": match[0], "index": match.start(), "groups": list(match.groups())}
        for match in _matches("match", text, pattern, limit)
    )


def _split(text: Any, pattern: Any, limit: Any) -> Any:
    if text is None or isinstance(pattern, str) or (limit is not None and limit < 1):
        return _PACKAGE.split(text, pattern, limit)
    parts: list[str] = []
    position = 0
    for match in _matches("split", text, pattern, limit):
        parts.append(text[position : match.start()])
        position = match.end()
    parts.append(text[position:])
    return parts if limit is None else parts[: int(limit)]


def _replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    if text is None:
        return None
    if not isinstance(text, str):
        raise _expected("replace", 1)
    if pattern == "":
        raise jsonata.JException("D3010", -1)
    if limit is not None and limit < 0:
        raise jsonata.JException("D3011", -1)
    if isinstance(pattern, str):
        return _replaced_text(text, pattern, replacement, -1 if limit is None else math.ceil(limit))
    parts: list[str] = []
    position = 0
    for match in _matches("replace", text, pattern, limit):
        part = _put_in(match, replacement)
        _meter().room(len(part))
        parts += (text[position : match.start()], part)
        position = match.end()
    return "".join((*parts, text[position:]))


def _replaced_text(text: str, old: str, new: Any, count: int) -> str:
    if not isinstance(new, str):
        raise _expected("replace", 3)
    occurrences = text.count(old)
    _meter().room(len(text) + (occurrences if count < 0 else min(occurrences, count)) * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def _put_in(match: Any, replacement: Any) -> str:
    """Returns what stands for a match; the replacement may be a text or a function of the match."""
    if isinstance(replacement, str):
        return "".join(_filled(match, replacement))
    described = {"match": match[0], "start": match.start(), "end": match.end(), "groups": list(match.groups())}
    part = _PACKAGE.func_apply(replacement, [described])
    if not isinstance(part, str):
        raise jsonata.JException("D3012", -1)
    return part


def _filled(match: Any, template: str) -> Iterator[str]:
    """`$$` is a dollar sign, `$0` the match, `$1` its first group. As many digits count as there are groups."""
    groups = len(match.groups())
    first, *rest = re.split(r"\$", template)
    yield first
    pieces = iter(rest)
    for piece in pieces:
        if piece == "":
            # Another sign follows at once, or nothing does.
            yield "$" + next(pieces, "")
            continue
        digits = re.match(r"\d*", piece)[0][: len(str(groups))]  # type: ignore[index]
        if len(digits) > 1 and int(digits) > groups:
            digits = digits[:-1]
        if not digits:
            yield "$"
        elif int(digits) <= groups:
            part = match[int(digits)] or ""
            _meter().room(len(part))
            yield part
        yield piece[len(digits) :]


# What makes much of little.


def _pad(text: Any, width: Any, filler: Any) -> Any:
    if is_number(width):
        _meter().room(abs(int(width)))
    return _PACKAGE.pad(text, width, filler)


def _join(texts: Any, between: Any) -> Any:
    if isinstance(texts, list):
        more = len(between) if isinstance(between, str) else 0
        _meter().room(sum(len(text) + more for text in texts if isinstance(text, str)))
    return _PACKAGE.join(texts, between)


def _string(value: Any, pretty: Any) -> Any:
    if pretty and isinstance(value, list | dict):
        _meter().pretty(value)
    return _PACKAGE.string(value, pretty)


def _distinct(items: Any) -> Any:
    if not isinstance(items, list) or len(items) <= 1:
        return items
    kept = distinct(items, alike=True)
    return jsonata.Utils.create_sequence_from_iter(kept) if isinstance(items, jsonata.Utils.JList) else kept


def _spread(value: Any) -> Any:
    if not isinstance(value, list | dict):
        return value
    return jsonata.Utils.create_sequence_from_iter(_members(value))


def _members(value: Any) -> Iterator[Any]:
    """Yields each member of an object, or of the objects of an array, as an object of its own."""
    if isinstance(value, dict):
        yield from ({name: item} for name, item in value.items())
    elif isinstance(value, list):
        for item in value:
            yield from _members(item)
    elif value is not None:
        yield value


def _pictured(name: str) -> Callable[..., Any]:
    """Returns a function that reads or writes by a picture."""

    def checked(*arguments: Any) -> Any:
        texts: Iterable[Any] = (text for text in arguments if isinstance(text, str))
        for text in texts:
            if len(text) > _MAX_PICTURE:
                raise TooMuch("D3133", f"A picture, and what is read by it, has at most {_MAX_PICTURE} characters")
            if _WIDE.search("".join(text.split())):
                raise TooMuch("D3133", "A component of a picture has at most 99 characters")
        return getattr(_PACKAGE, name)(*arguments)

    return checked


def _format_number(value: Any, picture: Any, options: Any) -> Any:
    for name in ("decimal-separator", "grouping-separator", "exponent-separator"):
        # The package puts them into a regular expression as they are.
        if isinstance(options, dict) and len(str(options.get(name, "."))) != 1:
            raise TooMuch("D3080", f"The {name} must be one character")
    if isinstance(picture, str) and len(picture) > _MAX_PICTURE:
        raise TooMuch("D3080", f"A picture has at most {_MAX_PICTURE} characters")
    return _PACKAGE.format_number(value, picture, options)


_OWN: Mapping[str, Callable[..., Any]] = {
    "distinct": _distinct,
    "formatInteger": _pictured("format_integer"),
    "formatNumber": _format_number,
    "fromMillis": _pictured("datetime_from_millis"),
    "join": _join,
    "match": _match,
    "pad": _pad,
    "parseInteger": _pictured("parse_integer"),
    "replace": _replace,
    "split": _split,
    "spread": _spread,
    "string": _string,
    "toMillis": _pictured("datetime_to_millis"),
}
_BOUNDED = jsonata.Jsonata.Frame(None)
for _name, _function in jsonata.Jsonata.static_frame.bindings.items():
    _BOUNDED.bind(_name, _Bounded(_function, _OWN.get(_name)))
# What AWS does not have.
_BOUNDED.bind("eval", None)
