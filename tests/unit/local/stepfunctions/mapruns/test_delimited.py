"""Rows of delimited files, by the rules of AWS's page "How Step Functions parses input CSV files"."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.stepfunctions.mapruns import delimited
from local.stepfunctions.mapruns.delimited import FieldTooLong


def rows(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(delimited.rows(io.StringIO(text, newline=""), delimiter))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # All that the page's example row has.
        (
            'q,7,"commas, a quote (""), a line\n",{""k"":""v""},"[1]"\n',
            ["q", "7", 'commas, a quote ("), a line\n', '{"k":"v"}', "[1]"],
        ),
        ("C:\\\\Program Files\\\\MyApp.exe,6534512\r\n", ["C:\\Program Files\\MyApp.exe", "6534512"]),
        ("a\\,b,c\\d\n", ["a,b", "cd"]),
        ('say \\"hello\\",x', ['say "hello"', "x"]),
        ('"say \\"hello\\", twice",x', ['say "hello", twice', "x"]),
        ('"""quoted""",""half"",""', ['"quoted"', '"half"', ""]),
        ('"a"b,c', ["ab", "c"]),
        ('5" disk,x', ['5" disk', "x"]),
        ('"never closed\nand on', ["never closed\nand on"]),
        ("\\", [""]),
        (",,\n", ["", "", ""]),
    ],
)
def test_a_record_is_parsed_as_aws_parses_it(text: str, expected: list[str]) -> None:
    assert rows(text) == [expected]


def test_other_delimiters_are_escaped_too() -> None:
    assert rows("a\\|b|c,d\n\ne|f\n", "|") == [["a|b", "c,d"], ["e", "f"]]


def test_a_quote_that_is_never_closed_ends() -> None:
    with pytest.raises(FieldTooLong, match="1,048,576"):
        rows('"' + "x\n" * 600_000)
    with pytest.raises(FieldTooLong):
        rows("x" * 1_100_000)


PLAIN = st.text(st.characters(exclude_characters="\\\r\0", exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(table=st.lists(st.lists(PLAIN, min_size=1, max_size=4), max_size=4), delimiter=st.sampled_from(",|;\t"))
def test_what_a_writer_of_csv_quotes_comes_back(table: list[list[str]], delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    assert rows(text.getvalue(), delimiter) == table
