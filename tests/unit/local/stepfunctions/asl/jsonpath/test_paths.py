import json
import time
from typing import Any

import pytest

from local.stepfunctions.asl.errors import SyntaxProblem
from local.stepfunctions.asl.jsonpath.paths import NoSuchPath, TooManyPlaces, parse
from local.stepfunctions.asl.patterns import PatternTooSlow

_STORE: Any = {
    "books": [
        {"title": "Sayings", "price": 8.95, "tags": ["old"]},
        {"title": "Sword", "price": 12.99},
        {"title": "Moby", "price": 8.99, "isbn": "0-553"},
    ],
    "bike": {"price": 20, "the colour": "red"},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".bike.price", 20),
        ("['bike']['the colour']", "red"),
        (".books[1].title", "Sword"),
        (".books[-1].title", "Moby"),
        (".books[*].price", [8.95, 12.99, 8.99]),
        (".books[0:2].title", ["Sayings", "Sword"]),
        (".books[1:].title", ["Sword", "Moby"]),
        (".books[0,2].title", ["Sayings", "Moby"]),
        (".books[?(@.price < 9)].title", ["Sayings", "Moby"]),
        (".books[?(@.isbn)].title", ["Moby"]),
        (".books[?(@.price > 9 || @.title == 'Moby')].title", ["Sword", "Moby"]),
        (".books[?(!(@.isbn) && @.price >= 12.99)].title", ["Sword"]),
        (".books[?(@.title =~ /s.*/i)].title", ["Sayings", "Sword"]),
        (".books[?(@.title in ['Moby', 'None'])].price", [8.99]),
        ("..price", [8.95, 12.99, 8.99, 20]),
        (".bike['price','the colour']", {"price": 20, "the colour": "red"}),
        (".books[*]['price','isbn']", [{"price": 8.95}, {"price": 12.99}, {"price": 8.99, "isbn": "0-553"}]),
        ("['bike','books']['price','x']", [{"price": 20}]),
        (".bike.['the colour']", "red"),
        (".books.[1].title", "Sword"),
        (" .books[ 1 ][ 'title' ] ", "Sword"),
        (".books[ ?( @.price < 9 ) ].title", ["Sayings", "Moby"]),
        (".books[?(@.title == Moby)].price", [8.99]),
        (".books[?(@.price == $.bike.price)]", []),
        (".books[?(@.price < $['bike'].price)].title", ["Sayings", "Sword", "Moby"]),
        (".books[?(@.title contains 'ord')].title", ["Sword"]),
        (".books[?(@.title.length() == 4)].title", ["Moby"]),
        (".books[?(@.title === 'Moby')].title", ["Moby"]),
        (".bi\\ke.price", 20),
        (".bike.the\\ colour", "red"),
        (".\\u0062ike.price", 20),
        (".books.length()", [3]),
        (".missing[*]", []),
    ],
)
def test_path_finds(path: str, found: Any) -> None:
    assert parse(path).read(_STORE) == found


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".none", "No results for path: $['none']"),
        (".none.below", "Missing property in path $['none']"),
        (".books[7]", "No results for path: $['books'][7]"),
        (".bike.price.more", "No results for path: $['bike']['price']['more']"),
    ],
)
def test_definite_path_that_leads_nowhere_says_so_as_jayway(path: str, reason: str) -> None:
    with pytest.raises(NoSuchPath) as raised:
        parse(path).read(_STORE)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    "path", ["name", "[", ".a[", ".a[x]", ".a[?(", ".a[?(@.b ==)]", "..", ".a[?(@.b =~ /(/)]", ".f()"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(SyntaxProblem):
        parse(path)


def test_inserting_copies_and_makes_the_way() -> None:
    before = {"kept": [1], "a": {"x": 1}}
    after = parse(".a.b.c").insert(before, 2)
    assert after == {"kept": [1], "a": {"x": 1, "b": {"c": 2}}}
    assert before == {"kept": [1], "a": {"x": 1}}
    with pytest.raises(NoSuchPath):
        parse(".kept.b").insert(before, 2)
    assert not parse(".a[*]").is_reference
    assert not parse(".a[-1]").is_reference


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("..*..*..*..*", json.loads("[" * 140 + "1" + "]" * 140)),
        ("..*..none", json.loads("[" * 140 + ",".join(["1"] * 50_000) + "]" * 140)),
    ],
)
def test_path_that_leads_to_too_many_places_is_given_up(path: str, document: Any) -> None:
    with pytest.raises(TooManyPlaces):
        parse(path).read(document)


def test_regular_expression_of_a_filter_is_given_up() -> None:
    began = time.thread_time()
    with pytest.raises(PatternTooSlow):
        parse("[?(@.t =~ /(a|aa)+/)]").read([{"t": "a" * 50 + "!"}] * 50)
    assert time.thread_time() - began < 1.5


@pytest.mark.parametrize("path", ["[" + "9" * 5_000 + "]", ".a[?(@.b == " + "9" * 5_000 + ")]"])
def test_number_too_large_to_be_read_is_refused(path: str) -> None:
    with pytest.raises(SyntaxProblem):
        parse(path)
