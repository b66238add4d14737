"""Tune: the channels -> several models, of which the one with the best objective goes on."""

from typing import Any

from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange
from sagemaker.tuner import HyperparameterTuner
from sagemaker.workflow.functions import Join
from sagemaker.workflow.steps import ProcessingStep, TuningStep

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.surroundings import caching, job_retries, tags
from pipelines.definition.steps.training import estimator, inputs
from pipelines.spec import Goal, HyperparameterType, Range, Scaling, Tuning

_GOALS = {Goal.MAXIMIZE: "Maximize", Goal.MINIMIZE: "Minimize"}


def tune_step(context: Context, tuning: Tuning, process: ProcessingStep | None) -> TuningStep:
    tuner = HyperparameterTuner(
        estimator=estimator(context),
        objective_metric_name=tuning.objective.metric,
        objective_type=_GOALS[tuning.objective.goal],
        metric_definitions=_metrics(context, tuning),
        hyperparameter_ranges={name: _range(context, name, tried) for name, tried in tuning.ranges.items()},
        strategy=tuning.strategy.value,
        max_jobs=tuning.jobs,
        max_parallel_jobs=tuning.parallel_jobs,
        **tags(context),
    )
    step_args = tuner.fit(inputs=inputs(context, process))
    return TuningStep(name="Tune", step_args=step_args, **caching(context), **job_retries(context))


def best_model_uri(context: Context, tune: TuningStep) -> Join:
    """Says where the best training job left its model: SageMaker puts it below the job's own name."""
    best = tune.properties.TrainingJobSummaries[0].TrainingJobName
    return context.run_uri("model", best, "output/model.tar.gz")


def _metrics(context: Context, tuning: Tuning) -> list[dict[str, str]]:
    """Returns the metrics of training and the objective's."""
    known = dict(context.spec.training.metrics) if context.spec.training else {}
    if tuning.objective.regex is not None:
        known[tuning.objective.metric] = tuning.objective.regex
    return [{"Name": name, "Regex": regex} for name, regex in known.items()]


def _range(context: Context, name: str, tried: Range) -> ParameterRange:
    if tried.values is not None:
        return CategoricalParameter([_text(value) for value in tried.values])
    scaling = (tried.scaling or Scaling.AUTO).value
    if context.spec.hyperparameters[name].type is HyperparameterType.INTEGER:
        return IntegerParameter(tried.minimum, tried.maximum, scaling_type=scaling)
    return ContinuousParameter(tried.minimum, tried.maximum, scaling_type=scaling)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
