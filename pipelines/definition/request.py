"""What the SDK needs to know to define one pipeline: a specification with everything outside it resolved to URIs.

It is plain data, because the SDK runs in a process of its own (see `worker`).
"""

import json
from dataclasses import asdict, dataclass
from typing import Self

from pipelines.documents import Document
from pipelines.environment import Environment
from pipelines.spec import AlgorithmSpec


@dataclass(frozen=True, slots=True)
class Request:
    """One pipeline to define; URIs are None where the algorithm has no such thing."""

    spec: AlgorithmSpec
    environment: Environment
    training_image: str | None
    """Own image; a framework's is looked up by the SDK."""
    inference_image: str | None
    source_uri: str | None
    """s3://.../sourcedir.tar.gz of a framework."""
    files_uri: str | None
    """s3://.../files/, the same sources unpacked, for processing containers; None for those of a repository."""
    serving_uri: str | None
    """s3://.../sourcedir.tar.gz of the scripts that serve; that of `source_uri` unless they stand apart."""
    artifact_uri: str | None
    """s3://.../model.tar.gz of an algorithm that is not trained."""
    sample_uri: str | None = None
    """s3://.../<file> of `register.sample`."""

    def to_json(self) -> Document:
        """Plain data; `from_json` is its inverse."""
        uris = (
            "training_image", "inference_image", "source_uri", "files_uri", "serving_uri", "artifact_uri", "sample_uri",
        )  # fmt: skip
        return {
            "spec": self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True),
            "environment": asdict(self.environment),
            **{name: getattr(self, name) for name in uris},
        }

    @classmethod
    def from_json(cls, data: Document) -> Self:
        """Returns a request from the plain data of `to_json`."""
        rest = {key: value for key, value in data.items() if key not in {"spec", "environment"}}
        return cls(AlgorithmSpec.of(data["spec"]), Environment(**data["environment"]), **rest)

    def canonical(self) -> str:
        """Returns one text for equal requests: what the cache's key is made of."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
