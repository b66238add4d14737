"""What training, tuning, processing and evaluation need of one another."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.problems import expected
from pipelines.spec import AlgorithmSpec, FrameworkName, Hyperparameter, HyperparameterType, Range, TriggerOn
from pipelines.spec.rules.finding import Finding


def trained_needs(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if not spec.trainable:
        return
    if spec.training is None:
        yield "training", expected("the training job's machines, as trainable is true", None)
    if not spec.channels:
        yield "channels", expected("at least one channel, as trainable is true", None)
    if spec.framework is not None and spec.framework.entry_point is None:
        yield "framework.entry_point", expected("the training script, as trainable is true", None)
    if spec.artifact is not None:
        yield "artifact", expected("nothing, as trainable is true and the model comes from training", spec.artifact)


def untrained_refuses(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.trainable:
        return
    for key in ("training", "tuning", "processing", "evaluation", "retrain", "channels", "hyperparameters"):
        if getattr(spec, key):
            yield key, "expected nothing, as trainable is false, found a section"


def entry_points_fit(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    for key in ("processing", "evaluation"):
        section = getattr(spec, key)
        if section is None:
            continue
        if spec.framework is not None and section.entry_point is None:
            yield f"{key}.entry_point", expected("a script of framework.source_dir", None)
        if spec.framework is None and section.entry_point is not None:
            what = "nothing with an own image, which knows its commands"
            yield f"{key}.entry_point", expected(what, section.entry_point)


def evaluation_has_data(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.evaluation is not None and "test" not in spec.channels:
        yield "channels.test", expected("a channel to evaluate on", None)


def arguments_are_hyperparameters(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    for index, name in enumerate(spec.processing.arguments if spec.processing else ()):
        if name not in spec.hyperparameters:
            yield f"processing.arguments[{index}]", expected("the name of a hyperparameter", name)
        elif name in spec.tuned:
            what = "a hyperparameter that is known before training; tuning chooses this one"
            yield f"processing.arguments[{index}]", expected(what, name)


def schedule_is_there(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.trigger.on is TriggerOn.SCHEDULE and spec.retrain is None:
        yield "retrain", expected("the schedule that trigger.on names", None)


def channels_have_folders(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    several = sum(channel.required for channel in spec.channels.values()) > 1
    if spec.trainable and spec.processing is None and several and spec.trigger.pattern != "_SUCCESS":
        what = "_SUCCESS, as several channels without processing are folders of one dataset"
        yield "trigger.pattern", expected(what, spec.trigger.pattern)


def sklearn_trains_alone(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    alone = spec.framework is not None and spec.framework.name is FrameworkName.SKLEARN
    if alone and spec.training is not None and spec.training.instance_count != 1:
        yield "training.instance_count", expected("1, as sklearn trains on one machine", spec.training.instance_count)


def ranges_are_of_hyperparameters(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    for name, tried in (spec.tuning.ranges if spec.tuning else {}).items():
        if name not in spec.hyperparameters:
            yield f"tuning.ranges.{name}", expected("the name of a hyperparameter", name)
            continue
        for key, text in _range_problems(spec.hyperparameters[name], tried):
            yield f"tuning.ranges.{name}.{key}", text


def _range_problems(known: Hyperparameter, tried: Range) -> Iterator[Finding]:
    if tried.values is not None:
        yield from _value_problems(known, tried.values)
        return
    if known.type is HyperparameterType.STRING or known.choices is not None:
        yield "values", expected("a list of values, as the hyperparameter has no range of numbers", None)
        return
    for key in ("minimum", "maximum"):
        value, least, most = getattr(tried, key), known.minimum, known.maximum
        if known.type is HyperparameterType.INTEGER and not isinstance(value, int):
            yield key, expected("an integer, as the hyperparameter is one", value)
        elif least is not None and value < least:
            yield key, expected(f"a number >= {least} (the hyperparameter's minimum)", value)
        elif most is not None and value > most:
            yield key, expected(f"a number <= {most} (the hyperparameter's maximum)", value)


def _value_problems(known: Hyperparameter, values: tuple[int | float | str, ...]) -> Iterator[Finding]:
    for index, value in enumerate(values):
        if (text := known.refusal_of(value)) is not None:
            yield f"values[{index}]", text


def objective_is_measured(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.tuning is None:
        return
    objective, known = spec.tuning.objective, spec.training.metrics if spec.training else {}
    if objective.regex is None and objective.metric not in known:
        what = "the expression that finds the metric, as training.metrics does not have it"
        yield "tuning.objective.regex", expected(what, None)
    if objective.regex is not None and known.get(objective.metric, objective.regex) != objective.regex:
        yield "tuning.objective.regex", expected("the expression of training.metrics, or nothing", objective.regex)
