"""template.yaml keeps the promises of the walk: names, protection of what is kept, no event lost without a trace."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from functions.jobs import jobs
from tests.agreement.template import ROOT, Resource, Template, as_list, template, walk

T = template()
FUNCTIONS = T.resources("AWS::Serverless::Function")
MACHINES = T.resources("AWS::Serverless::StateMachine")
BUCKETS = T.resources("AWS::S3::Bucket")
TABLES = T.resources("AWS::DynamoDB::Table")
RULES = T.resources("AWS::Events::Rule")
SCHEDULES = T.resources("AWS::Scheduler::Schedule")
LOG_GROUPS = T.resources("AWS::Logs::LogGroup")

each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
each_machine = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
each_bucket = pytest.mark.parametrize("bucket", BUCKETS.values(), ids=BUCKETS)
each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def module_of(function: Resource) -> str:
    """`claim_upload` for the handler `functions.claim_upload.handler`."""
    package, module, handler = str(function.properties["Handler"]).split(".")
    assert (package, handler) == ("functions", "handler")
    return module


# ---- the linter ------------------------------------------------------------------------------------------------------


def test_cfn_lint_has_nothing_to_say_in_any_partition() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    regions = ["us-east-1", "cn-north-1", "us-gov-west-1"]
    found = subprocess.run(
        [linter, "template.yaml", "--regions", *regions], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


# ---- names -----------------------------------------------------------------------------------------------------------


def test_names_are_those_that_code_and_people_use() -> None:
    names = {
        "UploadsBucket": ("BucketName", "headrace-dev-uploads-000000000000-us-east-1"),
        "ArtifactsBucket": ("BucketName", "headrace-dev-artifacts-000000000000-us-east-1"),
        "JobsTable": ("TableName", "headrace-dev-jobs"),
        "LedgerTable": ("TableName", "headrace-dev-ledger"),
        "WaitsTable": ("TableName", "headrace-dev-waits"),
        "AlgorithmsTable": ("TableName", "headrace-dev-algorithms"),
        "TrainingStateMachine": ("Name", "headrace-dev-training"),
        "FaceProcessingStateMachine": ("Name", "headrace-dev-face-processing"),
        "ChainedInferenceStateMachine": ("Name", "headrace-dev-chained-inference"),
        "RetrainingStateMachine": ("Name", "headrace-dev-retraining"),
        "PipelineRole": ("RoleName", "headrace-dev-pipeline-us-east-1"),
        "JobRole": ("RoleName", "headrace-dev-job-us-east-1"),
        "ServingRole": ("RoleName", "headrace-dev-serving-us-east-1"),
    }
    assert {one: (prop, T.text(T[one].properties[prop])) for one, (prop, _) in names.items()} == names


@each_function
def test_function_is_named_after_its_module(function: Resource) -> None:
    module = module_of(function)
    assert T.text(function.properties["FunctionName"]) == f"headrace-dev-{module.replace('_', '-')}"
    assert function.logical_id == f"{module.title().replace('_', '')}Function"


def test_every_function_of_the_walk_is_there() -> None:
    assert {module_of(function) for function in FUNCTIONS.values()} == {
        "claim_upload", "start_pipeline", "track_pipeline", "deploy_endpoint", "await_endpoint", "track_endpoint",
        "start_inference", "track_inference", "split_result", "record_failure", "plan_retraining", "sweep_waits", "api",
        "detect_boxes", "read_crop", "collect_texts",
        "claim_deployment", "prepare_deployment", "apply_deployment", "check_endpoint", "drop_endpoint",
        "plan_rollback", "find_deployed",
    }  # fmt: skip


def test_bucket_names_fit_for_the_longest_stage_and_region() -> None:
    stage = "a" * 10
    pattern = T.document["Parameters"]["Stage"]["AllowedPattern"]
    assert re.fullmatch(pattern, stage)
    assert not re.fullmatch(pattern, f"{stage}a")
    longest = Template(T.document, {**T.pseudo, "Stage": stage, "AWS::Region": "ap-southeast-1"})
    assert max(len(longest.text(one.properties["BucketName"])) for one in BUCKETS.values()) <= 63


def test_no_stage_can_have_names_that_begin_with_those_of_another() -> None:
    assert not re.fullmatch(T.document["Parameters"]["Stage"]["AllowedPattern"], "dev-two")


def test_partition_and_domain_are_never_written_out() -> None:
    china = Template(
        T.document,
        {**T.pseudo, "AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1", "AWS::URLSuffix": "amazonaws.com.cn"},
    )
    words = [str(one) for one in walk(china.text(T.document["Resources"]))]
    assert [one for one in words if "arn:aws:" in one] == []
    # Service principals are `<service>.amazonaws.com` in every partition; addresses are not.
    addresses = [one for one in words if "amazonaws.com" in one and not re.fullmatch(r"[a-z]+\.amazonaws\.com", one)]
    assert addresses
    assert [one for one in addresses if not one.endswith(".amazonaws.com.cn")] == []


# ---- state machines --------------------------------------------------------------------------------------------------


@each_machine
def test_definition_has_a_substitution_for_each_name_and_no_other(machine: Resource) -> None:
    definition = (ROOT / machine.properties["DefinitionUri"]).read_text()
    named = set(re.findall(r"\$\{([A-Za-z0-9]+)\}", definition))
    assert named
    assert named == set(machine.properties["DefinitionSubstitutions"])


def test_every_definition_is_deployed() -> None:
    committed = {f"state_machines/{path.name}" for path in (ROOT / "state_machines").glob("*.asl.json")}
    assert {machine.properties["DefinitionUri"] for machine in MACHINES.values()} == committed


@each_machine
def test_function_substitutions_name_their_function(machine: Resource) -> None:
    given = machine.properties["DefinitionSubstitutions"]
    functions = {name: value for name, value in given.items() if name.endswith("FunctionArn")}
    assert functions
    for name, value in functions.items():
        assert T.text(value) == f"<{name.removesuffix('Arn')}.Arn>"


@each_machine
def test_state_machine_is_standard_logged_and_traced(machine: Resource) -> None:
    properties = machine.properties
    assert properties["Type"] == "STANDARD"
    assert properties["Tracing"] == {"Enabled": True}
    assert properties["Logging"]["Level"] == "ERROR"
    assert properties["Logging"]["IncludeExecutionData"] is True
    (destination,) = properties["Logging"]["Destinations"]
    group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    assert T.text(LOG_GROUPS[group].properties["LogGroupName"]).startswith("/aws/vendedlogs/states/")


@each_machine
def test_failed_executions_raise_an_alarm(machine: Resource) -> None:
    watched = {
        one.properties["MetricName"]
        for one in T.resources("AWS::CloudWatch::Alarm").values()
        if one.properties["Dimensions"] == [{"Name": "StateMachineArn", "Value": {"Ref": machine.logical_id}}]
    }
    assert watched == {"ExecutionsFailed", "ExecutionsTimedOut"}


# ---- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_event_that_no_target_takes_is_retried_and_then_kept(rule: Resource) -> None:
    assert rule.properties["Targets"]
    for target in rule.properties["Targets"]:
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert T.text(target["DeadLetterConfig"]) == {"Arn": "<DeadLetters.Arn>"}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_tick_that_no_target_takes_is_retried_and_then_kept(schedule: Resource) -> None:
    target = schedule.properties["Target"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert T.text(target["DeadLetterConfig"]) == {"Arn": "<DeadLetters.Arn>"}


def lambda_targets() -> set[str]:
    """Functions that are invoked without anyone waiting: by a rule, a schedule or a topic."""
    targets = [target["Arn"] for rule in RULES.values() for target in rule.properties["Targets"]]
    targets += [schedule.properties["Target"]["Arn"] for schedule in SCHEDULES.values()]
    by_rule = {one["Fn::GetAtt"][0] for one in targets if "Fn::GetAtt" in one}
    by_topic = {
        name
        for name, function in FUNCTIONS.items()
        if any(event["Type"] == "SNS" for event in function.properties.get("Events", {}).values())
    }
    return by_rule | by_topic


def test_function_that_nobody_waits_for_keeps_what_it_failed_on_and_raises_an_alarm() -> None:
    watched = {
        one.properties["Dimensions"][0]["Value"]["Ref"]
        for one in T.resources("AWS::CloudWatch::Alarm").values()
        if one.properties["Namespace"] == "AWS/Lambda"
    }
    assert lambda_targets() == {
        "TrackPipelineFunction", "TrackEndpointFunction", "TrackInferenceFunction", "SweepWaitsFunction",
        "RecordFailureFunction",
    }  # fmt: skip
    for name in lambda_targets():
        config = FUNCTIONS[name].properties["EventInvokeConfig"]["DestinationConfig"]
        assert T.text(config["OnFailure"]) == {"Type": "SQS", "Destination": "<DeadLetters.Arn>"}
    assert watched == {*lambda_targets(), "ApiFunction"}


def test_notification_that_no_subscriber_takes_is_kept() -> None:
    events = FUNCTIONS["TrackInferenceFunction"].properties["Events"].values()
    assert {event["Properties"]["Topic"]["Ref"] for event in events} == {"InferenceSuccessTopic", "InferenceErrorTopic"}
    for event in events:
        assert T.text(event["Properties"]["RedrivePolicy"]) == {"deadLetterTargetArn": "<DeadLetters.Arn>"}


def test_rules_match_only_their_own_prefixes_of_the_uploads_bucket() -> None:
    for name, prefixes in (("DatasetUploadedRule", ("datasets/", "batches/")), ("PhotoUploadedRule", ("images/",))):
        assert T.text(RULES[name].properties["EventPattern"]) == {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": ["<UploadsBucket>"]},
                "object": {"key": [{"prefix": prefix} for prefix in prefixes]},
            },
        }


def test_sagemaker_rules_match_only_names_of_this_stage() -> None:
    pipelines = T.text(RULES["PipelineStatusRule"].properties["EventPattern"]["detail"])
    endpoints = T.text(RULES["EndpointStatusRule"].properties["EventPattern"]["detail"])
    arn = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/headrace-dev-"
    assert pipelines == {"pipelineExecutionArn": [{"prefix": arn}]}
    assert endpoints == {"EndpointName": [{"prefix": "headrace-dev-"}]}


def test_every_execution_that_has_a_job_is_heard_of_when_it_ends_badly() -> None:
    recording = {
        name
        for name, machine in MACHINES.items()
        if "RecordFailureFunctionArn" in machine.properties["DefinitionSubstitutions"]
    }
    pattern = T.text(RULES["ExecutionEndedRule"].properties["EventPattern"])
    assert set(pattern["detail"].pop("stateMachineArn")) == {f"<{name}>" for name in recording}
    assert pattern == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["FAILED", "TIMED_OUT", "ABORTED"]},
    }


def test_lambda_targets_of_rules_admit_the_rule() -> None:
    admitted = {
        (one.properties["FunctionName"]["Ref"], one.properties["SourceArn"]["Fn::GetAtt"][0])
        for one in T.resources("AWS::Lambda::Permission").values()
        if one.properties["Principal"] == "events.amazonaws.com"
    }
    assert admitted == {
        (target["Arn"]["Fn::GetAtt"][0], rule.logical_id)
        for rule in RULES.values()
        for target in rule.properties["Targets"]
        if "Fn::GetAtt" in target["Arn"]
    }


def test_dead_letters_raise_an_alarm() -> None:
    alarm = T["DeadLettersAlarm"].properties
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["Threshold"] == 0


@pytest.mark.parametrize("name", T.resources("AWS::CloudWatch::Alarm"))
def test_alarm_reaches_the_topic(name: str) -> None:
    assert T.text(T[name].properties["AlarmActions"]) == ["<AlarmsTopic>"]


# ---- what is kept ----------------------------------------------------------------------------------------------------


@each_bucket
def test_bucket_is_encrypted_versioned_private_and_owned(bucket: Resource) -> None:
    properties = bucket.properties
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@each_bucket
def test_bucket_refuses_anything_but_tls(bucket: Resource) -> None:
    policies = [
        one.properties["PolicyDocument"]["Statement"]
        for one in T.resources("AWS::S3::BucketPolicy").values()
        if one.properties["Bucket"] == {"Ref": bucket.logical_id}
    ]
    (statement,) = (one for one in policies[0] if one["Effect"] == "Deny")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = f"arn:aws:s3:::<{bucket.logical_id}>"
    assert T.text(statement["Resource"]) == [arn, f"{arn}/*"]


def test_only_the_uploads_bucket_raises_events_so_nothing_starts_itself() -> None:
    assert [name for name, one in BUCKETS.items() if "NotificationConfiguration" in one.properties] == ["UploadsBucket"]


@each_bucket
def test_leftovers_of_multipart_uploads_are_removed(bucket: Resource) -> None:
    rules = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert any("AbortIncompleteMultipartUpload" in rule and "Prefix" not in rule for rule in rules)


def artifact_rules() -> dict[str, dict[str, Any]]:
    rules = T["ArtifactsBucket"].properties["LifecycleConfiguration"]["Rules"]
    return {rule["Prefix"]: rule for rule in rules if "Prefix" in rule}


@pytest.mark.parametrize("prefix", ["async/", "results/"])
def test_answers_and_results_are_removed_with_their_versions(prefix: str) -> None:
    rule = artifact_rules()[prefix]
    assert rule["Status"] == "Enabled"
    assert T.text(rule["ExpirationInDays"]) in {14, "365"}
    # The bucket is versioned: without this, what expired would be kept for as long as what was replaced.
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 7


def test_runs_become_cheaper_and_stay_because_models_are_there() -> None:
    rule = artifact_rules()["runs/"]
    assert rule["Transitions"] == [{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 30}]
    assert not [key for key in rule if "Expiration" in key]


@each_table
def test_table_is_on_demand_recoverable_and_encrypted(table: Resource) -> None:
    properties = table.properties
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}


def test_rows_expire_where_they_are_traces_or_finished_and_stay_where_they_are_records() -> None:
    expiring = {name for name, one in TABLES.items() if "TimeToLiveSpecification" in one.properties}
    assert expiring == {"LedgerTable", "WaitsTable", "JobsTable"}


@each_machine
def test_success_is_recorded_with_the_end_that_functions_wrote(machine: Resource) -> None:
    states = json.loads((ROOT / machine.properties["DefinitionUri"]).read_text())["States"]
    record = states.get("RecordSuccess")
    if record is None:
        assert machine.logical_id == "RetrainingStateMachine"
        return
    assert "expires_at = if_not_exists(expires_when_final, :never)" in record["Parameters"]["UpdateExpression"]
    assert record["Parameters"]["ExpressionAttributeValues"][":never"] == {"N": str(jobs.NEVER)}


def test_indexes_answer_the_questions_that_are_asked() -> None:
    indexes = {
        (name, index["IndexName"], *(key["AttributeName"] for key in index["KeySchema"]))
        for name, table in TABLES.items()
        for index in table.properties.get("GlobalSecondaryIndexes", [])
    }
    assert indexes == {
        ("JobsTable", "by_object", "object", "created"),
        ("JobsTable", "by_kind", "kind", "created"),
        ("WaitsTable", "by_endpoint", "endpoint", "created"),
    }


@pytest.mark.parametrize("name", ["UploadsBucket", "ArtifactsBucket", "JobsTable"])
def test_deleting_the_stack_keeps(name: str) -> None:
    assert T[name].body["DeletionPolicy"] == "RetainExceptOnCreate"
    assert T[name].body["UpdateReplacePolicy"] == "Retain"


# ---- functions -------------------------------------------------------------------------------------------------------


@each_function
def test_handler_imports(function: Resource) -> None:
    module = importlib.import_module(f"functions.{module_of(function)}")
    assert callable(module.handler)


@each_function
def test_function_writes_to_a_log_group_that_forgets(function: Resource) -> None:
    group = LOG_GROUPS[function.properties["LoggingConfig"]["LogGroup"]["Ref"]]
    assert T.text(group.properties["LogGroupName"]) == f"/aws/lambda/{T.text(function.properties['FunctionName'])}"


@pytest.mark.parametrize("name", LOG_GROUPS)
def test_log_group_forgets(name: str) -> None:
    assert LOG_GROUPS[name].properties["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_functions_are_traced_and_built_by_one_recipe() -> None:
    assert T.document["Globals"]["Function"]["Tracing"] == "Active"
    assert [name for name, one in FUNCTIONS.items() if "CodeUri" in one.properties or "Runtime" in one.properties] == []
    assert {one.body["Metadata"]["BuildMethod"] for one in FUNCTIONS.values()} == {"makefile"}


def test_api_ends_before_its_gateway_gives_up() -> None:
    assert FUNCTIONS["ApiFunction"].properties["Timeout"] < 30


def test_sweep_ends_before_the_next_begins() -> None:
    assert SCHEDULES["SweepSchedule"].properties["ScheduleExpression"] == "rate(5 minutes)"
    assert FUNCTIONS["SweepWaitsFunction"].properties["Timeout"] < 300


# ---- what others look up ---------------------------------------------------------------------------------------------


def test_outputs_and_parameters_tell_the_same() -> None:
    outputs = {name: one["Value"] for name, one in T.document["Outputs"].items()}
    parameters = {
        name.removesuffix("Parameter"): one.properties["Value"]
        for name, one in T.resources("AWS::SSM::Parameter").items()
    }
    assert {
        "ApiUrl",
        "UploadsBucket",
        "ArtifactsBucket",
        "PipelineRoleArn",
        "JobRoleArn",
        "ServingRoleArn",
        "DeployEndpointFunctionArn",
    } <= set(outputs)
    assert outputs == parameters


def test_parameters_are_named_in_snake_case_under_the_stage() -> None:
    for name, one in T.resources("AWS::SSM::Parameter").items():
        words = re.findall(r"[A-Z][a-z]+", name.removesuffix("Parameter").replace("SageMaker", "Sagemaker"))
        assert T.text(one.properties["Name"]) == f"/headrace/dev/{'_'.join(words).lower()}"


# ---- samconfig.toml --------------------------------------------------------------------------------------------------

SAM: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text())
STAGES = {"default": "dev", "dev": "dev", "staging": "staging", "prod": "prod"}


@pytest.mark.parametrize(("environment", "stage"), STAGES.items())
def test_samconfig_gives_values_that_the_template_takes(environment: str, stage: str) -> None:
    deploy = SAM[environment]["deploy"]["parameters"]
    given = dict(one.split("=", 1) for one in deploy["parameter_overrides"])
    known = T.document["Parameters"]
    assert given["Stage"] == stage
    assert SAM[environment]["global"]["parameters"]["stack_name"] == f"headrace-{stage}"
    for name, value in given.items():
        assert re.fullmatch(known[name].get("AllowedPattern", ".*"), value)
        assert value in [str(one) for one in known[name].get("AllowedValues", [value])]


def test_samconfig_has_these_stages_and_no_other() -> None:
    assert set(SAM) - {"version"} == set(STAGES)


def test_samconfig_default_is_dev() -> None:
    assert SAM["default"] == SAM["dev"]


def test_production_changes_only_after_a_person_has_read_the_change() -> None:
    assert SAM["prod"]["deploy"]["parameters"]["confirm_changeset"] is True


@pytest.mark.parametrize("environment", STAGES)
def test_samconfig_never_opens_the_api_to_everyone(environment: str) -> None:
    overrides = SAM[environment]["deploy"]["parameters"]["parameter_overrides"]
    assert "ApiAuthorization=NONE" not in overrides
    assert T.document["Parameters"]["ApiAuthorization"]["Default"] == "AWS_IAM"


def test_every_route_of_the_api_is_authorized_alike() -> None:
    routes = T.resources("AWS::ApiGatewayV2::Route").values()
    assert {one.properties["RouteKey"].split()[0] for one in routes} == {"DELETE", "GET", "POST", "PUT"}
    assert all(one.properties["AuthorizationType"] == {"Ref": "ApiAuthorization"} for one in routes)


def test_every_path_the_api_answers_has_a_route() -> None:
    answered = re.findall(r'^@app\.([a-z]+)\(\s*"([^"]+)"', (ROOT / "functions" / "api.py").read_text(), re.MULTILINE)
    assert answered
    routes = {str(one.properties["RouteKey"]) for one in T.resources("AWS::ApiGatewayV2::Route").values()}
    assert {f"{method.upper()} /v1/{{proxy+}}" for method, path in answered if path.startswith("/v1/")} <= routes
    assert [path for _, path in answered if not path.startswith("/v1/")] == []


def test_access_log_lines_are_json() -> None:
    line = T["HttpApiStage"].properties["AccessLogSettings"]["Format"]
    assert set(json.loads(line)) >= {"requestId", "status", "path", "error"}


@pytest.mark.parametrize("name", T.resources("AWS::SNS::Topic"))
def test_topic_refuses_anything_but_tls(name: str) -> None:
    (policy,) = (
        policy.properties["PolicyDocument"]["Statement"]
        for policy in T.resources("AWS::SNS::TopicPolicy").values()
        if {"Ref": name} in policy.properties["Topics"]
    )
    (statement,) = (statement for statement in policy if statement["Effect"] == "Deny")
    assert (statement["Principal"], statement["Action"]) == ("*", "sns:Publish")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert {"Ref": name} in as_list(statement["Resource"])


def test_alarms_may_still_be_published() -> None:
    (statement,) = (
        statement
        for policy in T.resources("AWS::SNS::TopicPolicy").values()
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    )
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    prefix = T.text(statement["Condition"]["ArnLike"]["aws:SourceArn"]).rpartition(":")[2].removesuffix("*")
    for alarm in T.resources("AWS::CloudWatch::Alarm").values():
        assert T.text(alarm.properties["AlarmName"]).startswith(prefix)


def test_policies_of_queues_name_who_may_send() -> None:
    allowed = [
        one
        for policy in T.resources("AWS::SQS::QueuePolicy").values()
        for one in policy.properties["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    assert allowed
    for one in allowed:
        assert one["Principal"] != "*"
        assert as_list(one["Action"]) == ["sqs:SendMessage"]
        assert "aws:SourceArn" in [key for test in one["Condition"].values() for key in test]
