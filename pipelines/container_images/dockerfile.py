"""Which registries of ECR a Dockerfile takes images from."""

import re

from pipelines.container_images.requests import Registry

_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(r"^\s*(?:FROM\s+(?:--\S+\s+)*|COPY\s+(?:--\S+\s+)*--from=)(\S+)", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_ECR = re.compile(r"([0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)/")


def ecr_registries(dockerfile: str) -> tuple[Registry, ...]:
    """Returns the registries of ECR in a Dockerfile's FROM and COPY --from, its arguments' defaults filled in."""
    lines = re.sub(r"\\\r?\n", " ", dockerfile)
    defaults = {name: value.strip("\"'") for name, value in _ARG.findall(lines)}

    def value(variable: re.Match[str]) -> str:
        return str(defaults.get(variable[1] or variable[3], variable[2] or ""))

    images = (_VARIABLE.sub(value, image) for image in _FROM.findall(lines))
    matches = (_ECR.match(image) for image in images)
    return tuple(sorted({Registry(match[1], match[2]) for match in matches if match}))
