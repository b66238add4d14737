"""Which function answers which operation. An operation is one function in its resource's module and one line here.

The tables are by what the functions are given beside the checked request: the machine, or the runner that the operation
is for. Each answers a document, which is then cut to the operation's output.
"""

from collections.abc import Callable, Mapping
from functools import partial

from local.documents import Document, Json
from local.sagemaker.endpoints import api as endpoints
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.jobs import processing
from local.sagemaker.jobs.runner import Jobs
from local.sagemaker.jobs.training import kind as training
from local.sagemaker.jobs.transform import kind as transform
from local.sagemaker.jobs.tuning import kind as tuning
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines import answers, requests
from local.sagemaker.pipelines import api as pipelines
from local.sagemaker.pipelines.executions import Executions
from local.sagemaker.resources import endpoint_configs, model_package_groups, model_packages, models, search, tags
from local.sagemaker.wire import shapes
from local.sagemaker.wire.errors import UnknownOperation

Operation = Callable[[Document], Document]

OF_JOBS: Mapping[str, Callable[[Jobs, Document], Document]] = {
    "CreateTrainingJob": training.create,
    "StopTrainingJob": training.stop,
    "UpdateTrainingJob": training.update,
    "DeleteTrainingJob": training.delete,
    "CreateProcessingJob": processing.create,
    "StopProcessingJob": processing.stop,
    "DeleteProcessingJob": processing.delete,
    "CreateTransformJob": transform.create,
    "StopTransformJob": transform.stop,
    "CreateHyperParameterTuningJob": tuning.create,
    "StopHyperParameterTuningJob": tuning.stop,
    "DeleteHyperParameterTuningJob": tuning.delete,
}

OF_ENDPOINTS: Mapping[str, Callable[[Endpoints, Document], Document]] = {
    "CreateEndpoint": endpoints.create,
    "UpdateEndpoint": endpoints.update,
    "UpdateEndpointWeightsAndCapacities": endpoints.update_weights_and_capacities,
    "DeleteEndpoint": endpoints.delete,
}

OF_EXECUTIONS: Mapping[str, Callable[[Executions, Document], Document]] = {
    "StartPipelineExecution": requests.start,
    "UpdatePipelineExecution": requests.update,
    "StopPipelineExecution": requests.stop,
    "RetryPipelineExecution": requests.retry,
    "SendPipelineExecutionStepSuccess": answers.succeed,
    "SendPipelineExecutionStepFailure": answers.fail,
}

OF_MACHINE: Mapping[str, Callable[[Machine, Document], Document]] = {
    "DescribeTrainingJob": training.describe,
    "ListTrainingJobs": training.listed,
    "DescribeProcessingJob": processing.describe,
    "ListProcessingJobs": processing.listed,
    "DescribeTransformJob": transform.describe,
    "ListTransformJobs": transform.listed,
    "DescribeHyperParameterTuningJob": tuning.describe,
    "ListHyperParameterTuningJobs": tuning.listed,
    "ListTrainingJobsForHyperParameterTuningJob": tuning.list_training_jobs,
    "CreateModelPackageGroup": model_package_groups.create,
    "DescribeModelPackageGroup": model_package_groups.describe,
    "ListModelPackageGroups": model_package_groups.listed,
    "DeleteModelPackageGroup": model_package_groups.delete,
    "PutModelPackageGroupPolicy": model_package_groups.put_policy,
    "GetModelPackageGroupPolicy": model_package_groups.get_policy,
    "DeleteModelPackageGroupPolicy": model_package_groups.delete_policy,
    "CreateModelPackage": model_packages.create,
    "DescribeModelPackage": model_packages.describe,
    "BatchDescribeModelPackage": model_packages.describe_batch,
    "UpdateModelPackage": model_packages.update,
    "DeleteModelPackage": model_packages.delete,
    "ListModelPackages": model_packages.listed,
    "CreateModel": models.create,
    "DescribeModel": models.describe,
    "ListModels": models.listed,
    "DeleteModel": models.delete,
    "CreateEndpointConfig": endpoint_configs.create,
    "DescribeEndpointConfig": endpoint_configs.describe,
    "ListEndpointConfigs": endpoint_configs.listed,
    "DeleteEndpointConfig": endpoint_configs.delete,
    "DescribeEndpoint": endpoints.describe,
    "ListEndpoints": endpoints.listed,
    "CreatePipeline": pipelines.create,
    "UpdatePipeline": pipelines.update,
    "DescribePipeline": pipelines.describe,
    "ListPipelines": pipelines.listed,
    "DeletePipeline": pipelines.delete,
    "ListPipelineVersions": pipelines.list_versions,
    "UpdatePipelineVersion": pipelines.update_version,
    "DescribePipelineExecution": requests.describe,
    "DescribePipelineDefinitionForExecution": requests.definition,
    "ListPipelineExecutions": requests.listed,
    "ListPipelineExecutionSteps": requests.list_steps,
    "ListPipelineParametersForExecution": requests.list_parameters,
    "Search": search.search,
    "GetSearchSuggestions": search.suggestions,
    "AddTags": tags.add_tags,
    "ListTags": tags.listed,
    "DeleteTags": tags.delete_tags,
}


class Operations:
    """The operations of one running SageMaker, each with what it is given."""

    def __init__(self, machine: Machine, jobs: Jobs, endpoints: Endpoints) -> None:
        self._operations: dict[str, Operation] = {
            **{name: partial(function, machine) for name, function in OF_MACHINE.items()},
            **{name: partial(function, jobs) for name, function in OF_JOBS.items()},
            **{name: partial(function, endpoints) for name, function in OF_ENDPOINTS.items()},
        }

    def add(self, executions: Executions) -> None:
        """Adds those on executions, which call the others."""
        self._operations |= {name: partial(function, executions) for name, function in OF_EXECUTIONS.items()}

    def find(self, name: str) -> Operation:
        """Raises UnknownOperation for one that is not run here, or is none of SageMaker's."""
        shapes.input_shape(name)
        operation = self._operations.get(name)
        if operation is None:
            raise UnknownOperation(f"The operation {name} is not run by this local SageMaker.")
        return operation

    def call(self, name: str, request: Json) -> Document:
        """Checks a request, runs the operation and shapes its answer; members that are null stand for none.

        Raises ApiError.
        """
        operation = self.find(name)
        shapes.check(shapes.input_shape(name), request)
        return shapes.answer(name, operation({member: value for member, value in request.items() if value is not None}))
