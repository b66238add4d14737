"""Which function answers which operation. An operation is one function in its resource's module and one line here.

Each takes the context and the checked request, and answers a document that is then cut to the operation's output.
"""

from collections.abc import Callable, Mapping

from local.documents import Document
from local.sagemaker.endpoints import api as endpoints
from local.sagemaker.jobs import processing, training, transform, tuning
from local.sagemaker.machine.machine import Context
from local.sagemaker.pipelines import api as pipelines
from local.sagemaker.pipelines import callbacks, requests
from local.sagemaker.resources import endpoint_configs as configs
from local.sagemaker.resources import models, registry, search, tags

Operation = Callable[[Context, Document], Document]

OPERATIONS: Mapping[str, Operation] = {
    "CreateTrainingJob": training.create,
    "DescribeTrainingJob": training.describe,
    "ListTrainingJobs": training.listed,
    "StopTrainingJob": training.stop,
    "UpdateTrainingJob": training.update,
    "DeleteTrainingJob": training.delete,
    "CreateProcessingJob": processing.create,
    "DescribeProcessingJob": processing.describe,
    "ListProcessingJobs": processing.listed,
    "StopProcessingJob": processing.stop,
    "DeleteProcessingJob": processing.delete,
    "CreateTransformJob": transform.create,
    "DescribeTransformJob": transform.describe,
    "ListTransformJobs": transform.listed,
    "StopTransformJob": transform.stop,
    "CreateHyperParameterTuningJob": tuning.create,
    "DescribeHyperParameterTuningJob": tuning.describe,
    "ListHyperParameterTuningJobs": tuning.listed,
    "StopHyperParameterTuningJob": tuning.stop,
    "DeleteHyperParameterTuningJob": tuning.delete,
    "ListTrainingJobsForHyperParameterTuningJob": tuning.list_training_jobs,
    "CreateModelPackageGroup": registry.create_group,
    "DescribeModelPackageGroup": registry.describe_group,
    "ListModelPackageGroups": registry.list_groups,
    "DeleteModelPackageGroup": registry.delete_group,
    "PutModelPackageGroupPolicy": registry.put_policy,
    "GetModelPackageGroupPolicy": registry.get_policy,
    "DeleteModelPackageGroupPolicy": registry.delete_policy,
    "CreateModelPackage": registry.create_package,
    "DescribeModelPackage": registry.describe_package,
    "BatchDescribeModelPackage": registry.describe_packages,
    "UpdateModelPackage": registry.update_package,
    "DeleteModelPackage": registry.delete_package,
    "ListModelPackages": registry.list_packages,
    "CreateModel": models.create,
    "DescribeModel": models.describe,
    "ListModels": models.listed,
    "DeleteModel": models.delete,
    "CreateEndpointConfig": configs.create,
    "DescribeEndpointConfig": configs.describe,
    "ListEndpointConfigs": configs.listed,
    "DeleteEndpointConfig": configs.delete,
    "CreateEndpoint": endpoints.create,
    "UpdateEndpoint": endpoints.update,
    "UpdateEndpointWeightsAndCapacities": endpoints.update_weights_and_capacities,
    "DescribeEndpoint": endpoints.describe,
    "ListEndpoints": endpoints.listed,
    "DeleteEndpoint": endpoints.delete,
    "CreatePipeline": pipelines.create,
    "UpdatePipeline": pipelines.update,
    "DescribePipeline": pipelines.describe,
    "ListPipelines": pipelines.listed,
    "DeletePipeline": pipelines.delete,
    "ListPipelineVersions": pipelines.list_versions,
    "UpdatePipelineVersion": pipelines.update_version,
    "StartPipelineExecution": requests.start,
    "DescribePipelineExecution": requests.describe,
    "UpdatePipelineExecution": requests.update,
    "DescribePipelineDefinitionForExecution": requests.definition,
    "ListPipelineExecutions": requests.listed,
    "ListPipelineExecutionSteps": requests.list_steps,
    "ListPipelineParametersForExecution": requests.list_parameters,
    "StopPipelineExecution": requests.stop,
    "RetryPipelineExecution": requests.retry,
    "SendPipelineExecutionStepSuccess": callbacks.succeed,
    "SendPipelineExecutionStepFailure": callbacks.fail,
    "Search": search.search,
    "GetSearchSuggestions": search.suggestions,
    "AddTags": tags.add_tags,
    "ListTags": tags.listed,
    "DeleteTags": tags.delete_tags,
}
