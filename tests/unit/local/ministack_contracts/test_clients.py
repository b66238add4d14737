"""What public clients of SageMaker ask of S3 and STS, and the private names of MiniStack that make it so."""

import inspect

import pytest
from ministack.services import s3, sts

from local.ministack import encryption, identity

_KEY = "x-amz-server-side-encryption-aws-kms-key-id"


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set through monkeypatch first, so that it puts MiniStack's own back.
    monkeypatch.setattr(s3, "_resolve_sse_write_headers", s3._resolve_sse_write_headers)
    monkeypatch.setattr(sts, "_caller_identity", sts._caller_identity)
    encryption.take_the_account_key()
    identity.call_the_unknown_a_role()


def test_the_names_that_are_leaned_on() -> None:
    assert list(inspect.signature(s3._resolve_sse_write_headers).parameters) == ["headers", "bucket_name"]
    assert list(inspect.signature(sts._caller_identity).parameters) == ["headers", "query_params"]


@pytest.mark.usefixtures("mended")
def test_kms_without_a_key_is_the_accounts_own_key() -> None:
    kept, error = s3._resolve_sse_write_headers({"x-amz-server-side-encryption": "aws:kms"}, "b")
    assert error is None
    assert kept[_KEY].endswith(":alias/aws/s3")


@pytest.mark.usefixtures("mended")
def test_kms_with_a_key_keeps_that_key() -> None:
    kept, _ = s3._resolve_sse_write_headers({"x-amz-server-side-encryption": "aws:kms", _KEY: "k"}, "b")
    assert kept[_KEY] == "k"


@pytest.mark.usefixtures("mended")
def test_made_up_credentials_are_an_execution_role() -> None:
    caller = sts._caller_identity({})
    assert caller["userArn"].endswith(":assumed-role/AmazonSageMaker-ExecutionRole/local")
