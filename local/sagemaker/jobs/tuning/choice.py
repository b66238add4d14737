"""Which values are tried next."""

import random
from collections.abc import Sequence

from local.documents import Document
from local.sagemaker.jobs.tuning import strategies
from local.sagemaker.jobs.tuning.definitions import Definition
from local.sagemaker.jobs.tuning.ranges import Values
from local.sagemaker.jobs.tuning.strategies import Tried
from local.sagemaker.jobs.tuning.trials import SET, TUNED, interrupted, score_of
from local.sagemaker.wire.errors import WorkFailed


def next_values(
    document: Document, definitions: Sequence[Definition], trials: Sequence[Document]
) -> tuple[Definition, Values]:
    again = _to_repeat(trials)
    by_name = {definition.name: definition for definition in definitions}
    if again is not None:
        return by_name[again[SET]], again[TUNED]
    counted = [trial for trial in trials if not interrupted(trial)]
    configuration = document["HyperParameterTuningJobConfig"]
    if configuration["Strategy"] == "Grid":
        place = len(counted)
        for definition in definitions:
            if place < definition.space.size:
                return definition, strategies.of_grid(definition.space, place)
            place -= definition.space.size
        raise WorkFailed("every combination of the grid was tried")
    definition = definitions[len(counted) % len(definitions)]
    seed = configuration.get("RandomSeed", document["HyperParameterTuningJobArn"])
    rng = random.Random(f"{seed}-{len(counted)}")
    if configuration["Strategy"] == "Random":
        return definition, strategies.at_random(definition.space, rng)
    tried = [Tried(trial[TUNED], score_of(definition, trial)) for trial in counted if trial[SET] == definition.name]
    return definition, strategies.bayesian(definition.space, tried, rng)


def _to_repeat(trials: Sequence[Document]) -> Document | None:
    """Finds an interrupted training job whose values no later one has tried again."""
    for number, trial in enumerate(trials):
        if interrupted(trial):
            since = trials[number + 1 :]
            if not any(later[TUNED] == trial[TUNED] and later[SET] == trial[SET] for later in since):
                return trial
    return None
