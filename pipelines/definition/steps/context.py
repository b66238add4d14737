"""What every step is made from: the request, the SDK's session, the pipeline's parameters and the images."""

from dataclasses import dataclass

from sagemaker.workflow.functions import Join
from sagemaker.workflow.parameters import Parameter, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline_context import PipelineSession

from pipelines.definition.request import Request
from pipelines.spec import AlgorithmSpec, Compute, Hyperparameter, HyperparameterType, Transform


@dataclass(frozen=True, slots=True)
class Context:
    """One pipeline in the making."""

    request: Request
    session: PipelineSession
    parameters: dict[str, Parameter]
    """By name, in the order the definition lists them."""

    @property
    def spec(self) -> AlgorithmSpec:
        """The algorithm."""
        return self.request.spec

    @property
    def role(self) -> str:
        """The role every job runs under."""
        return self.request.environment.job_role_arn

    def run_uri(self, *leaves: object) -> Join:
        """s3://<artifacts>/runs/<JobId>/<leaf>: each run writes below its own job id."""
        base = self.request.environment.artifact_uri("runs")
        return Join(on="/", values=[base, self.parameters["JobId"], *leaves])


def parameters(spec: AlgorithmSpec) -> dict[str, Parameter]:
    """Returns the pipeline's parameters: the run's, the hyperparameters by their own names, the machines'."""
    listed: list[Parameter] = [ParameterString(name="JobId")]
    if spec.trainable or spec.transform is not None:
        listed.append(ParameterString(name="InputUri"))
    if spec.trainable and spec.training is not None:
        machines = spec.training
        chosen = {name: value for name, value in spec.hyperparameters.items() if name not in spec.tuned}
        listed += [_hyperparameter(name, value) for name, value in chosen.items()]
        listed += _machines("Training", machines)
        if spec.processing is not None or spec.evaluation is not None:
            kind = (spec.processing or machines).instance_type
            listed.append(ParameterString(name="ProcessingInstanceType", default_value=kind))
    if spec.transform is not None:
        listed += _machines("Transform", spec.transform)
    return {parameter.name: parameter for parameter in listed}


def _machines(job: str, machines: Compute | Transform) -> list[Parameter]:
    return [
        ParameterString(name=f"{job}InstanceType", default_value=machines.instance_type),
        ParameterInteger(name=f"{job}InstanceCount", default_value=machines.instance_count),
    ]


def _hyperparameter(name: str, value: Hyperparameter) -> Parameter:
    match value.type:
        case HyperparameterType.INTEGER:
            return ParameterInteger(name=name, default_value=value.default)
        case HyperparameterType.FLOAT:
            return ParameterFloat(name=name, default_value=float(value.default))
        case HyperparameterType.STRING:
            return ParameterString(name=name, default_value=value.default, enum_values=_texts(value))


def _texts(value: Hyperparameter) -> list[str] | None:
    return [str(choice) for choice in value.choices] if value.choices else None
