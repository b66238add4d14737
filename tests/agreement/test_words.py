"""Words that the command line lists by itself, as it imports nothing that takes long, are those of who takes them."""

from enum import StrEnum

import pytest

from cli.api.words import FINISHED, JobKind, JobStatus
from cli.terminal.options import Isolation
from functions.jobs.job import Kind, Status
from local.sagemaker.machine import settings


@pytest.mark.parametrize(("listed", "taken"), [(JobKind, Kind), (JobStatus, Status), (Isolation, settings.Isolation)])
def test_the_command_line_lists_the_words_that_are_taken(listed: type[StrEnum], taken: type[StrEnum]) -> None:
    assert [word.value for word in listed] == [word.value for word in taken]


def test_a_job_is_followed_until_its_status_is_final() -> None:
    assert {status.value for status in FINISHED} == {status.value for status in Status if status.final}
