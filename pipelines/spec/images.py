"""Own containers: where the image of each end of an algorithm comes from."""

from typing import Self

from pydantic import Field, model_validator

from pipelines.problems import expected
from pipelines.spec.sections import RelativePath, Section, Text, refusal


class ImageSource(Section):
    """Where one image comes from: exactly one of the three."""

    build: RelativePath | None = Field(
        default=None, description="folder with the Dockerfile, inside the algorithm's folder"
    )
    uri: Text | None = Field(default=None, description="URI of an image that exists")
    ssm: Text | None = Field(default=None, description="SSM parameter that holds the URI")

    def given(self) -> list[str]:
        """Returns the keys that say where the image comes from."""
        return [key for key in ("build", "uri", "ssm") if getattr(self, key) is not None]

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if len(self.given()) != 1:
            raise refusal("", expected("exactly one of build, uri and ssm", self.given()))
        return self


class Image(ImageSource):
    """An own container: one image for both ends, or one for `training` and one for `inference`."""

    training: ImageSource | None = None
    inference: ImageSource | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        apart = [key for key in ("training", "inference") if getattr(self, key) is not None]
        if len(self.given()) + len(apart) == 0 or (self.given() and apart) or len(self.given()) > 1:
            what = "exactly one of build, uri and ssm, or training and inference"
            raise refusal("", expected(what, self.given() + apart))
        if apart == ["training"]:
            raise refusal("inference", expected("the image that serves the model", None))
        return self

    @property
    def for_training(self) -> ImageSource:
        """The image of training and processing."""
        return self.training or self

    @property
    def for_inference(self) -> ImageSource:
        """The image of endpoints and batch transforms."""
        return self.inference or self
