"""The machine that commands are tested on."""

import os

import pytest


def forget_account(monkeypatch: pytest.MonkeyPatch, *prefixes: str) -> None:
    """Leaves nothing of an AWS account, nor any other variable whose name begins with one of `prefixes`."""
    for name in [name for name in os.environ if name.startswith(("AWS_", *prefixes))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
