"""Clients that look every 30 seconds are told of the end when it comes; all others are answered at once."""

import threading
from typing import Any

import pytest

from local.sagemaker.wire import patience
from tests.unit.local.sagemaker.cloud import connect
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import start_training


def of_the_sdk(world: World) -> Any:
    return connect(world.service or world.start(), user_agent="lib/AWS-SageMaker-Python-SDK#2.257.7")


@pytest.fixture
def job(world: World) -> str:
    """One that runs until it is stopped."""
    world.image("app", train="#!/bin/sh\nexec sleep 600\n")
    start_training(world, "job")
    return "job"


def test_the_sdk_is_answered_when_the_job_has_ended(world: World, job: str) -> None:
    client, patient = world.client, of_the_sdk(world)
    stop = threading.Timer(0.1, lambda: client.stop_training_job(TrainingJobName=job))
    stop.start()
    assert patient.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Stopped"
    stop.join()


def test_others_see_the_job_under_way(world: World, job: str) -> None:
    assert world.client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress"


def test_the_sdk_is_held_for_a_while_and_no_longer(world: World, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    assert of_the_sdk(world).describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress"
