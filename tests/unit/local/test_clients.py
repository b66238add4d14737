"""Clients of the local cloud reach it, whatever the shell that it is started from says."""

import os
from pathlib import Path

import pytest
from botocore.utils import should_bypass_proxies

from local.clients import LocalClients, leave_accounts
from local.cloud import LocalCloud
from local.settings import LocalSettings

ASTRAY = {
    "AWS_PROFILE": "there-is-no-such-profile",
    "AWS_CONFIG_FILE": "/no/such/file",
    "AWS_SHARED_CREDENTIALS_FILE": "/no/such/file",
    "AWS_ENDPOINT_URL_S3": "http://192.0.2.1",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CA_BUNDLE": "/no/such/file",
    "HTTP_PROXY": "http://192.0.2.1:3128",
    "NO_PROXY": "example.com",
    "no_proxy": "",
}


@pytest.fixture(autouse=True)
def astray(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ASTRAY.items():
        monkeypatch.setenv(name, value)


def test_nothing_of_the_shell_leads_a_client_astray() -> None:
    leave_accounts()
    client = LocalClients("http://127.0.0.1:4566").client("s3")
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert should_bypass_proxies("http://127.0.0.1:4566/b")
    assert {name for name in os.environ if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
    }


def test_a_proxy_and_its_exceptions_stay_for_installers() -> None:
    leave_accounts()
    leave_accounts()
    assert os.environ["HTTP_PROXY"] == ASTRAY["HTTP_PROXY"]
    assert os.environ["NO_PROXY"] == "example.com,127.0.0.1,localhost,::1"


def test_a_cloud_begins_where_the_shell_names_a_profile_that_there_is_not(tmp_path: Path) -> None:
    settings = LocalSettings(template=tmp_path / "template.yaml", state_dir=tmp_path, cache_dir=tmp_path, port=4566)
    assert LocalCloud(settings).client("s3").meta.endpoint_url == settings.endpoint
