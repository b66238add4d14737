"""`deployment`: an approved model package, or a request, -> an endpoint that serves it, or what served before.

Where somebody could be harmed the model is asked first, at an endpoint of its own that nobody else knows. What fails
after the endpoint has changed is taken back. All waits are task tokens that `track_endpoint` sends back.
"""

from typing import Any

from workflows.parts import Wait, caught_by, claim, failure_path, lambda_task, success_path, when_started
from workflows.sdk import Catch, Choice, ChoiceRule, Graph, Pass, State, Task

ENDPOINT_SECONDS = 36000
"""A shift of traffic by ten steps of up to an hour each: SageMaker itself gives up after eight."""
MACHINE_SECONDS = 4 * ENDPOINT_SECONDS
"""More than all waits together: when the machine itself runs out of time, no state is left to record why."""


def machine() -> Graph:
    """Returns the state machine."""
    failure = failure_path()
    first, decide = claim(failure, function="ClaimDeployment")
    prepare = _prepare()
    apply, check = _apply(), _check("Check", candidate=False)
    back = _rollback(failure)
    when_started(decide, prepare)
    prepare.next(_rehearsal(apply, failure))
    apply.next(check)
    check.next(success_path(failure))
    caught_by(failure, prepare)
    # A newer deployment has the endpoint: there is nothing to take back.
    apply.add_catch(Catch(error_equals=["Superseded"], next_step=failure, result_path="$.failure"))
    caught_by(back, apply, check)
    return Graph(
        first,
        comment="An approved model package becomes what the endpoint serves, or the endpoint stays as it was.",
        timeout_seconds=MACHINE_SECONDS,
    )


def _prepare() -> Task:
    return lambda_task(
        "Prepare",
        "PrepareDeployment",
        {"job.$": "$"},
        comment="Make the model and its endpoint config, or find the config to go back to.",
        result_path="$.plan",
    )


def _rehearsal(apply: State, failure: State) -> Choice:
    """Ask the model at an endpoint of its own, where there is one to ask; then `apply`."""
    rehearse = Choice("Rehearse", comment="A model that could harm whoever asks the endpoint now is asked before.")
    start = _await(
        "StartCandidate",
        {
            "endpoint.$": "$.plan.Payload.candidate.endpoint",
            "endpoint_config.$": "$.plan.Payload.candidate.endpoint_config",
            "role": "candidate",
        },
        comment="Serve the model by itself, and wait until it does.",
    )
    check = _check("CheckCandidate", candidate=True)
    drop, drop_failed = (_drop(name) for name in ("DropCandidate", "DropFailedCandidate"))
    rehearse.add_choice(ChoiceRule.BooleanEquals(variable="$.plan.Payload.rehearse", value=True), start)
    rehearse.default_choice(apply)
    start.next(check)
    check.next(drop)
    caught_by(drop_failed, start, check)
    for state, following in ((drop, apply), (drop_failed, failure)):
        state.next(following)
        # It costs, and changes nothing else.
        state.add_catch(Catch(error_equals=["States.ALL"], next_step=following, result_path="$.dropped"))
    return rehearse


def _apply() -> Task:
    return _await(
        "Apply",
        {
            "endpoint.$": "$.plan.Payload.endpoint",
            "endpoint_config.$": "$.plan.Payload.endpoint_config",
            "rollout.$": "$.plan.Payload.rollout",
            "role": "deployment",
        },
        comment="Create, update or replace the endpoint when it is this deployment's turn, and wait until it serves.",
    )


def _check(name: str, *, candidate: bool) -> Task:
    return lambda_task(
        name,
        "CheckEndpoint",
        {"job_id.$": "$.job_id", "plan.$": "$.plan.Payload", "candidate": candidate},
        comment="The model has to answer its package's sample.",
        result_path="$.rehearsed" if candidate else "$.checked",
    )


def _drop(name: str) -> Task:
    return lambda_task(
        name,
        "DropEndpoint",
        {"job_id.$": "$.job_id", "endpoint.$": "$.plan.Payload.candidate.endpoint"},
        comment="The candidate has shown what it does.",
        result_path="$.dropped",
    )


def _rollback(failure: State) -> Task:
    """Take back what failed after the endpoint changed. Returns its first state."""
    plan = lambda_task(
        "PlanRollback",
        "PlanRollback",
        {"state.$": "$"},
        comment="Find the last config that served well, unless SageMaker went back by itself.",
        result_path="$.rollback",
    )
    needed = Choice("NeedsRestoring", comment="Nothing is left to do where the endpoint serves something else.")
    restore = _await(
        "Restore",
        {
            "endpoint.$": "$.plan.Payload.endpoint",
            "endpoint_config.$": "$.rollback.Payload.endpoint_config",
            "rollout.$": "$.rollback.Payload.rollout",
            "role": "rollback",
        },
        comment="Serve it again, and wait until it is served.",
    )
    told = Pass(
        "TakenBack",
        comment="The reason, and what is served now.",
        input_path="$.rollback.Payload.failure",
        result_path="$.failure",
    )
    plan.next(needed)
    needed.add_choice(ChoiceRule.IsString(variable="$.rollback.Payload.endpoint_config", value=True), restore)
    needed.default_choice(told)
    restore.next(told)
    told.next(failure)
    # What made the deployment fail matters more than why the way back cannot be found.
    plan.add_catch(Catch(error_equals=["States.ALL"], next_step=failure, result_path="$.planning"))
    caught_by(failure, restore)
    return plan


def _await(name: str, payload: dict[str, Any], *, comment: str) -> Task:
    return lambda_task(
        name,
        "ApplyDeployment",
        {"token.$": "$$.Task.Token", "job_id.$": "$.job_id", **payload},
        comment=comment,
        ends=Wait(ENDPOINT_SECONDS),
        result_path="$.served",
    )
