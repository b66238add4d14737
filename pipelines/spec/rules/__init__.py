"""What the keys of one algorithm.yaml say together, and whether the files they name are there. `catalogue` runs these.

Each rule names the sections it reads; it is left out when one of those is broken already, so that one mistake is
told once and the others are told too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipelines.spec import AlgorithmSpec
from pipelines.spec.rules import files, kinds, serving, training
from pipelines.spec.rules.finding import Finding, Rule

__all__ = ["RULES", "Finding", "Rule", "findings"]

RULES: Final[tuple[tuple[Rule, frozenset[str]], ...]] = (
    (kinds.name_is_the_folder, frozenset({"name"})),
    (kinds.exactly_one_kind, frozenset({"image", "framework", "chain"})),
    (kinds.chained_refuses, frozenset({"chain", "trainable", "inferable", "batch", "deploy"})),
    (kinds.framework_can(training=True), frozenset({"framework", "training", "trainable", "tuning"})),
    (kinds.framework_can(training=False), frozenset({"framework", "deploy", "transform", "register"})),
    (kinds.toolkits_do_not_serve, frozenset({"framework", "deploy", "transform", "register"})),
    (training.trained_needs, frozenset({"trainable", "training", "channels", "framework", "artifact"})),
    (training.untrained_refuses, frozenset({"trainable"})),
    (training.entry_points_fit, frozenset({"framework", "processing", "evaluation"})),
    (training.evaluation_has_data, frozenset({"evaluation", "channels"})),
    (training.arguments_are_hyperparameters, frozenset({"processing", "hyperparameters", "tuning"})),
    (training.schedule_is_there, frozenset({"trigger", "retrain"})),
    (training.channels_have_folders, frozenset({"trainable", "channels", "processing", "trigger"})),
    (training.sklearn_trains_alone, frozenset({"framework", "training"})),
    (training.ranges_are_of_hyperparameters, frozenset({"tuning", "hyperparameters"})),
    (training.objective_is_measured, frozenset({"tuning", "training"})),
    (serving.deployed_needs, frozenset({"deploy", "inferable", "register", "framework", "artifact"})),
    (serving.compared_is_deployed, frozenset({"evaluation", "deploy"})),
    (serving.given_model_is_there, frozenset({"framework", "artifact", "trainable", "deploy"})),
    (serving.isolated_fetches_nothing, frozenset({"framework", "network", "deploy"})),
    (serving.transform_has_input, frozenset({"transform", "trainable", "channels", "processing"})),
    (serving.batch_run_stands_alone, frozenset({"transform", "trainable", "deploy", "register"})),
    (serving.batch_has_a_way, frozenset({"batch", "transform", "deploy", "chain"})),
    (files.images_are_there, frozenset({"image"})),
    (files.artifact_is_there, frozenset({"artifact"})),
    (files.sample_is_there, frozenset({"register"})),
    (files.scripts_are_there, frozenset({"framework", "processing", "evaluation"})),
    (files.serving_scripts_are_there, frozenset({"framework"})),
)
"""Each rule with the top-level keys it reads."""


def findings(spec: AlgorithmSpec, folder: Path, broken: frozenset[str]) -> Iterator[Finding]:
    """Yields what every rule finds that reads no broken section."""
    for rule, sections in RULES:
        if not sections & broken:
            yield from rule(spec, folder)
