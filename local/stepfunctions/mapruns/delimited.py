"""Rows of a delimited file, as Step Functions parses them.

https://docs.aws.amazon.com/step-functions/latest/dg/example-csv-parse-dist-map.html: fields need no quotes, and may
have them around commas and newlines; a quote is written twice, inside quotes and without them; a backslash escapes a
backslash, a quote or the delimiter, and goes where it stands before anything else.
"""

from collections.abc import Iterable, Iterator

MOST_CHARACTERS = 1024 * 1024
"""Of one field."""


class FieldTooLong(ValueError):
    """A field has no end in sight: as a rule a quote that is never closed."""


def rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yields the fields of each record; lines come with their ends, empty ones are passed over.

    Raises:
        FieldTooLong: one has more characters than MOST_CHARACTERS.
    """
    source = iter(lines)
    for line in source:
        plain = line.rstrip("\r\n")
        if not plain:
            continue
        if '"' not in line and "\\" not in line:
            if len(plain) > MOST_CHARACTERS and max(map(len, plain.split(delimiter))) > MOST_CHARACTERS:
                raise _too_long()
            yield plain.split(delimiter)
        else:
            yield _Record(line, source, delimiter).fields()


class _Record:
    """One record, read a character at a time, over more than one line where quotes hold their ends."""

    def __init__(self, line: str, more: Iterator[str], delimiter: str) -> None:
        self._text, self._more, self._delimiter = line, more, delimiter
        self._place = 0
        self._field: list[str] = []

    def fields(self) -> list[str]:
        fields = []
        while True:
            self._field = []
            if self._opens():
                self._place += 1
                self._quoted()
            self._unquoted()
            fields.append("".join(self._field))
            if not self._text.startswith(self._delimiter, self._place):
                return fields
            self._place += 1

    def _opens(self) -> bool:
        """Tells whether a quote begins a quoted field, and is not the first of two that stand for one."""
        if not self._text.startswith('"', self._place):
            return False
        follows = self._text[self._place + 1 : self._place + 3]
        return not follows.startswith('"') or follows[1:] in ("", '"', self._delimiter, "\r", "\n")

    def _unquoted(self) -> None:
        text, place = self._text, self._place
        while place < len(text) and text[place] not in (self._delimiter, "\n"):
            if text[place] == "\r" and text[place + 1 :] in ("", "\n"):
                break
            place = self._take(place)
        self._place = place

    def _quoted(self) -> None:
        while True:
            if self._place >= len(self._text):
                following = next(self._more, None)
                if following is None:
                    return
                self._text, self._place = following, 0
            elif self._text[self._place] == '"' and not self._text.startswith('""', self._place):
                self._place += 1
                return
            else:
                self._place = self._take(self._place)

    def _take(self, place: int) -> int:
        """Adds the character at a place, without what escapes it; returns the place behind it."""
        sign, following = self._text[place], self._text[place + 1 : place + 2]
        if len(self._field) >= MOST_CHARACTERS:
            raise _too_long()
        if sign == '"' and following == '"':
            self._field.append('"')
            return place + 2
        if sign == "\\":
            if following in ("\\", '"', self._delimiter):
                self._field.append(following)
                return place + 2
            return place + 1
        self._field.append(sign)
        return place + 1


def _too_long() -> FieldTooLong:
    return FieldTooLong(f"a field has more than {MOST_CHARACTERS:,} characters; a quote may not be closed")
