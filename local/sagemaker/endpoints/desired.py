"""What an endpoint's variants should be, beyond their configuration: kept or set while the endpoint runs. Pure."""

from collections.abc import Mapping, Sequence

from local.documents import Document, Json

_COUNT, _WEIGHT = "InitialInstanceCount", "InitialVariantWeight"
_SET = (("DesiredInstanceCount", _COUNT), ("DesiredWeight", _WEIGHT))


def rescaled(config: Mapping[str, Json], wanted: Sequence[Mapping[str, Json]]) -> Document:
    """Returns `config` with DesiredWeightsAndCapacities in the place of its initial ones."""
    by_name = {each["VariantName"]: each for each in wanted}
    return {
        **config,
        "ProductionVariants": [_set(variant, by_name.get(variant["VariantName"], {})) for variant in _all(config)],
    }


def retaining(config: Mapping[str, Json], current: Mapping[str, Json], excluded: Sequence[str]) -> Document:
    """Adds to `config` what RetainAllVariantProperties keeps of `current`; `excluded` are VariantPropertyTypes."""
    kept = {variant["VariantName"]: variant for variant in _all(current)}
    members = [initial for desired, initial in _SET if desired not in excluded]
    variants = []
    for variant in _all(config):
        old = kept.get(variant["VariantName"], {})
        variants.append({**variant, **{member: old[member] for member in members if member in old}})
    retained = {**config, "ProductionVariants": variants}
    if "DataCaptureConfig" not in excluded and "DataCaptureConfig" in current:
        retained["DataCaptureConfig"] = current["DataCaptureConfig"]
    return retained


def _all(config: Mapping[str, Json]) -> list[Document]:
    variants: list[Document] = config["ProductionVariants"]
    return variants


def _set(variant: Document, wanted: Mapping[str, Json]) -> Document:
    changed = {initial: wanted[desired] for desired, initial in _SET if desired in wanted}
    if "ServerlessUpdateConfig" in wanted:
        changed["ServerlessConfig"] = {**variant["ServerlessConfig"], **wanted["ServerlessUpdateConfig"]}
    return {**variant, **changed}
