import pytest

from local.stepfunctions.asl.timestamps import parse, write


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:00.500+01:00", 0.5),
        ("1969-12-31T23:00:00-01:00", 0.0),
        ("1970-01-01T00:00:00.123456789Z", 0.123456789),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01 00:00:00Z", None),
        ("1970-13-01T00:00:00Z", None),
        ("1970-01-01T25:00:00Z", None),
        (None, None),
    ],
)
def test_only_an_extended_offset_date_time_is_a_moment(text: object, moment: float | None) -> None:
    assert parse(text) == moment


def test_written_with_milliseconds() -> None:
    assert write(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
