"""Steps that are jobs of jobs, or serve a model: tuning, transform, endpoints."""

from typing import Any

from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import SERVE, SERVER
from tests.unit.local.sagemaker.jobs.requests import training_definition, transform_input
from tests.unit.local.sagemaker.pipelines.definitions import (
    create,
    definition,
    ended,
    get,
    lambda_step,
    run,
    start,
    step,
    steps,
)

TRAIN = """#!/bin/sh
sed 's/.*"x": "\\([^"]*\\)".*/score=\\1/' /opt/ml/input/config/hyperparameters.json | tee /opt/ml/model/score
"""


def join(*values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": "/", "Values": list(values)}}


def tuning(**more: Any) -> dict[str, Any]:
    configuration = {
        "Strategy": "Grid",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "score"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "x", "Values": ["3", "1", "2"]}]},
    }
    arguments = {"HyperParameterTuningJobConfig": configuration, "TrainingJobDefinition": training_definition()}
    return step("Tune", "Tuning", arguments, **more)


def test_the_best_of_a_tuning_step_becomes_a_model_that_transforms(world: World) -> None:
    world.image("app", train=TRAIN, serve=SERVE, **{"serve.py": SERVER})
    world.cloud.s3.put("s3://in/data/a.csv", "1,2\n")
    best = get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName")
    container = {"Image": image("app"), "ModelDataUrl": join("s3://out/models", best, "output/model.tar.gz")}
    execution, done = run(
        world,
        definition(
            tuning(),
            step("Make", "Model", {"PrimaryContainer": container, "ExecutionRoleArn": ROLE}),
            step(
                "Batch",
                "Transform",
                {
                    "ModelName": get("Steps.Make.ModelName"),
                    "TransformInput": transform_input("s3://in/data/", ContentType="text/csv"),
                    "TransformOutput": {"S3OutputPath": "s3://out/batch"},
                    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
                },
            ),
        ),
    )
    assert execution["PipelineExecutionStatus"] == "Succeeded", done
    job = done["Tune"]["Metadata"]["TuningJob"]["Arn"].rsplit("/", 1)[1]
    assert len(job) <= 32
    described = world.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    model = world.client.describe_model(ModelName=done["Make"]["Metadata"]["Model"]["Arn"].rsplit("/", 1)[1])
    assert described["BestTrainingJob"]["TrainingJobName"] in model["PrimaryContainer"]["ModelDataUrl"]
    assert described["BestTrainingJob"]["TunedHyperParameters"]["x"] == "1"
    assert "transform-job/pipelines-" in done["Batch"]["Metadata"]["TransformJob"]["Arn"]
    assert world.cloud.s3.keys("s3://out/batch/") == ["s3://out/batch/a.csv.out"]


def test_an_endpoint_step_makes_the_endpoint_and_the_next_time_updates_it(world: World) -> None:
    world.image("app", serve=SERVE, **{"serve.py": SERVER})
    world.cloud.functions["fn:After"] = lambda given: given
    variant = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large",
               "ModelName": get("Steps.Make.ModelName")}  # fmt: skip
    config = {"EndpointConfigName": get("Parameters.config"), "ProductionVariants": [variant]}
    container = {"PrimaryContainer": {"Image": image("app")}, "ExecutionRoleArn": ROLE}
    create(
        world,
        definition(
            step("Make", "Model", container),
            step("Configure", "EndpointConfig", config),
            step(
                "Serve",
                "Endpoint",
                {"EndpointName": "e", "EndpointConfigName": get("Steps.Configure.EndpointConfigName")},
            ),
            lambda_step("After", {"status": get("Steps.Serve.EndpointStatus")}, "status"),
            parameters=[{"Name": "config", "Type": "String"}],
        ),
    )
    for number, name in enumerate(("blue", "green")):
        arn = start(world, token=f"{number}" * 32, config=name)
        assert ended(world, arn)["PipelineExecutionStatus"] == "Succeeded", steps(world, arn)
        done = steps(world, arn)
        assert done["Serve"]["Metadata"] == {"Endpoint": {"Arn": "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"}}
        assert done["After"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "status", "Value": "InService"}]
        assert world.client.describe_endpoint(EndpointName="e")["EndpointConfigName"] == name
