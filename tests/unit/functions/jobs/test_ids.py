"""Job ids and the names made from them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from functions.jobs import ids

texts = st.text(max_size=50)


@given(texts, texts, texts)
def test_a_derived_id_has_the_form_of_an_id_and_is_always_the_same(bucket: str, key: str, version: str) -> None:
    job_id = ids.derived(bucket, key, version)
    assert ids.is_job_id(job_id)
    assert job_id == ids.derived(bucket, key, version)


def test_a_derived_id_is_the_head_of_the_hash() -> None:
    digest = hashlib.sha256(b"b\nk\nv").digest()
    bits = f"{int.from_bytes(digest):0256b}"[:130]
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    plain = [int(bits[place : place + 5], 2) for place in range(0, 130, 5)]
    plain[0] &= 7
    assert ids.derived("b", "k", "v") == "".join(alphabet[value] for value in plain)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_different_objects_have_different_ids(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    if "\n".join(one) != "\n".join(other):
        assert ids.derived(*one) != ids.derived(*other)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)), st.binary(min_size=10, max_size=10))
def test_a_ulid_has_the_form_of_an_id_and_sorts_by_time(moment: datetime, randomness: bytes) -> None:
    earlier = moment.replace(tzinfo=UTC)
    first = ids.ulid(earlier, lambda count: randomness[:count])
    second = ids.ulid(earlier + timedelta(milliseconds=2), lambda count: bytes(count))
    assert ids.is_job_id(first)
    assert first < second


def test_what_is_no_job_id() -> None:
    for text in ("", "I" * 26, "8" + "0" * 25, "0" * 25, "0" * 27, "0" * 25 + "u", "0" * 26 + "\n"):
        assert not ids.is_job_id(text)


def test_the_request_token_is_one_that_sagemaker_takes() -> None:
    assert len(ids.client_request_token("0" * 26)) == 64


def test_a_deployment_name_fits_sagemaker_whatever_the_endpoint_is_called() -> None:
    name = ids.deployment_name("e" * 63, "0" * 26)
    assert len(name) <= 63
    suffix = hashlib.sha256(("0" * 26).encode()).hexdigest()[:12]
    assert ids.deployment_name("headrace-dev-x", "0" * 26) == f"headrace-dev-x-{suffix}"
