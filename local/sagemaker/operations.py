"""Which function answers which operation. An operation is one function in its resource's module and one line here.

Each takes the context and the checked request, and answers a document that is then cut to the operation's output.
"""

from collections.abc import Callable, Mapping

from local.sagemaker import models, registry, tags
from local.sagemaker.context import Context
from local.sagemaker.endpoints import api as endpoints
from local.sagemaker.endpoints import configs
from local.sagemaker.jobs import processing, training
from local.sagemaker.pipelines import api as pipelines
from local.store import Document

Operation = Callable[[Context, Document], Document]

OPERATIONS: Mapping[str, Operation] = {
    "CreateTrainingJob": training.create,
    "DescribeTrainingJob": training.describe,
    "ListTrainingJobs": training.listed,
    "StopTrainingJob": training.stop,
    "CreateProcessingJob": processing.create,
    "DescribeProcessingJob": processing.describe,
    "ListProcessingJobs": processing.listed,
    "StopProcessingJob": processing.stop,
    "CreateModelPackageGroup": registry.create_group,
    "DescribeModelPackageGroup": registry.describe_group,
    "ListModelPackageGroups": registry.list_groups,
    "DeleteModelPackageGroup": registry.delete_group,
    "CreateModelPackage": registry.create_package,
    "DescribeModelPackage": registry.describe_package,
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
    "DescribeEndpoint": endpoints.describe,
    "ListEndpoints": endpoints.listed,
    "DeleteEndpoint": endpoints.delete,
    "CreatePipeline": pipelines.create,
    "UpdatePipeline": pipelines.update,
    "DescribePipeline": pipelines.describe,
    "ListPipelines": pipelines.listed,
    "DeletePipeline": pipelines.delete,
    "StartPipelineExecution": pipelines.start,
    "DescribePipelineExecution": pipelines.describe_execution,
    "DescribePipelineDefinitionForExecution": pipelines.definition_for_execution,
    "ListPipelineExecutions": pipelines.list_executions,
    "ListPipelineExecutionSteps": pipelines.list_steps,
    "ListPipelineParametersForExecution": pipelines.list_parameters,
    "StopPipelineExecution": pipelines.stop,
    "RetryPipelineExecution": pipelines.retry,
    "AddTags": tags.add_tags,
    "ListTags": tags.list_tags,
    "DeleteTags": tags.delete_tags,
}
