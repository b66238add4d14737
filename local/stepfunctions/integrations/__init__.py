"""What Task states call: Lambda functions and the services of AWS, at the local endpoint.

`Integrations` is the door. One module stands for each service with rules of its own; `optimized` sends the others'
calls, `sdk` those of `aws-sdk:service:action`, both by botocore's models.
"""

from local.stepfunctions.integrations.integrations import Integrations
from local.stepfunctions.integrations.task import Task, TaskError, Unreachable, World

__all__ = ["Integrations", "Task", "TaskError", "Unreachable", "World"]
