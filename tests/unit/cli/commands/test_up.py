"""What `headrace up` starts the cloud with."""

import pytest
from typer.testing import CliRunner

from cli.deployment import local
from cli.errors import CommandError
from cli.main import app
from local.settings import LocalSettings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[LocalSettings]:
    """The settings of each cloud that was to be started; none is."""
    settings: list[LocalSettings] = []

    def session(_: object, of: LocalSettings, __: object) -> None:
        settings.append(of)
        raise CommandError("not in this test")

    monkeypatch.setattr(local, "local_session", session)
    return settings


def test_no_name_but_its_own_is_allowed_and_the_template_says_whose_pages_may_call(
    started: list[LocalSettings],
) -> None:
    CliRunner().invoke(app, ["up"])
    assert started[0].allow_hosts == ()
    assert "CorsOrigins" not in started[0].parameters


def test_names_and_origins_may_be_several(started: list[LocalSettings]) -> None:
    options = ["--allow-host", "a.test", "--allow-host", "*.b.test"]
    options += ["--cors-origin", "http://localhost:3000", "--cors-origin", "https://a.test"]
    CliRunner().invoke(app, ["up", *options])
    assert started[0].allow_hosts == ("a.test", "*.b.test")
    assert started[0].parameters["CorsOrigins"] == "http://localhost:3000,https://a.test"
    assert started[0].parameters["ApiAuthorization"] == "NONE"
