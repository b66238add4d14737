"""`retraining`: the schedule -> one execution of `training` for each algorithm whose newest dataset is new."""

from workflows.parts import ALREADY_STARTED, PARTITION, STATES_ERRORS, caught_by, lambda_task, notify, service_retry
from workflows.sdk import Catch, Choice, ChoiceRule, Fail, Graph, Map, Pass, Succeed, Task

MACHINE_SECONDS = 3600
AT_ONCE = 5


def machine() -> Graph:
    """Returns the state machine."""
    tell = notify(
        "NotifyFailure",
        {"status": "FAILURE", "execution.$": "$$.Execution.Id", "failure.$": "$.failure"},
        comment="No job stands for a plan that failed: the topic and the execution hold the reason.",
    )
    failed = Fail(
        "Failed", comment="The end of every failure.", error="RetrainingFailed", cause="The failed state says why."
    )
    tell.next(failed)
    tell.add_catch(Catch(error_equals=["States.ALL"], next_step=failed, result_path="$.notification"))
    plan = lambda_task(
        "Plan",
        "PlanRetraining",
        {"input.$": "$", "execution.$": "$$.Execution.Id", "time.$": "$$.Execution.StartTime"},
        comment="Find the newest dataset of each algorithm that is due, and leave out what was trained on already.",
    )
    any_new = Choice("AnyNew", comment="Nothing new starts nothing.")
    each = Map(
        "StartEach",
        comment="A run's name is derived from its dataset: planned twice, it is started once.",
        items_path="$.runs",
        max_concurrency=AT_ONCE,
        iterator=_start(),
        result_path="$.started",
    )
    plan.next(any_new)
    any_new.add_choice(ChoiceRule.IsPresent(variable="$.runs[0]", value=True), each)
    any_new.default_choice(Succeed("NothingNew", comment="The plan's `skipped` says why for each algorithm."))
    each.next(Succeed("Done", comment="Each run goes on by itself."))
    caught_by(tell, plan, each)
    return Graph(
        plan,
        comment="On a schedule, train again what has new data.",
        timeout_seconds=MACHINE_SECONDS,
    )


def _start() -> Task:
    start = Task(
        "StartTraining",
        comment="Start and do not wait.",
        resource=f"{PARTITION}states:startExecution",
        parameters={"StateMachineArn": "${TrainingStateMachineArn}", "Name.$": "$.name", "Input.$": "$.input"},
        timeout_seconds=60,
    )
    start.add_retry(service_retry(STATES_ERRORS))
    already = Pass("AlreadyStarted", comment="An earlier plan started the same run.")
    start.add_catch(Catch(error_equals=list(ALREADY_STARTED), next_step=already, result_path="$.started"))
    return start
