"""Script mode: which of SageMaker's framework containers runs which scripts, and where the scripts come from."""

import re
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pipelines.problems import expected
from pipelines.spec.sections import RelativePath, Section, Text, refusal


class FrameworkName(StrEnum):
    """The SageMaker framework containers that the compiler knows."""

    SKLEARN = "sklearn"
    XGBOOST = "xgboost"
    PYTORCH = "pytorch"
    TENSORFLOW = "tensorflow"
    HUGGINGFACE = "huggingface"
    MXNET = "mxnet"
    CHAINER = "chainer"
    RL = "rl"
    SPARKML = "sparkml"


_USER: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>[^/@]*)@", re.IGNORECASE)


def _without_credentials(repo: str) -> str:
    """Refuses a repository's address that may not stand in a file, an argument or a log, and does not repeat it."""
    user = _USER.match(repo)
    # `ssh://git@host` names an account; a word before the @ of any other address is a token or a password.
    if user and (user["scheme"].lower() not in {"ssh", "git+ssh"} or ":" in user["user"]):
        raise refusal("", "expected an address without credentials (HEADRACE_GIT_TOKEN holds them), found some")
    if "?" in repo or "#" in repo:
        raise refusal("", "expected an address without a query, found one")
    return repo


Repository = Annotated[
    str, StringConstraints(pattern=r"^[^\s-][^\s]*$", max_length=500), AfterValidator(_without_credentials)
]
Branch = Annotated[str, StringConstraints(pattern=r"^[^\s~^:?*\[\\-][^\s~^:?*\[\\]*$", max_length=200)]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class GitSource(Section):
    """A repository to take the sources from; what is compiled is always a commit."""

    repo: Repository
    branch: Branch | None = Field(default=None, description="branch or tag; beside a commit it says where that is from")
    commit: Commit | None = Field(default=None, description="what is taken; without one, the branch as it stands")

    @model_validator(mode="after")
    def _one_revision(self) -> Self:
        if self.branch is None and self.commit is None:
            raise refusal("commit", expected("at least one of branch and commit", None))
        return self


class ToolkitName(StrEnum):
    """The reinforcement learning toolkits of SageMaker."""

    RAY = "ray"
    COACH = "coach"


class ToolkitBase(StrEnum):
    """What a reinforcement learning toolkit learns with."""

    PYTORCH = "pytorch"
    TENSORFLOW = "tensorflow"
    MXNET = "mxnet"


class Toolkit(Section):
    """The reinforcement learning toolkit; `framework.version` is its version."""

    name: ToolkitName
    base: ToolkitBase = ToolkitBase.TENSORFLOW


class Serving(Section):
    """Serving by another framework, version or folder than training; keys left out are those of `framework`."""

    name: FrameworkName | None = None
    version: Text | None = None
    py_version: Text | None = None
    transformers_version: Text | None = Field(default=None, description="huggingface only")
    entry_point: RelativePath | None = Field(default=None, description="script that loads the model and answers")
    source_dir: RelativePath | None = Field(default=None, description="folder of the algorithm's own folder")


class Framework(Section):
    """Script mode: a framework's own container runs the scripts of `source_dir`."""

    name: FrameworkName
    version: Text
    py_version: Text = "py3"
    transformers_version: Text | None = Field(default=None, description="huggingface only")
    toolkit: Toolkit | None = Field(default=None, description="rl only")
    entry_point: RelativePath | None = Field(default=None, description="training script")
    source_dir: RelativePath | None = Field(
        default=None, description="folder of the scripts; inside `git` when that is given"
    )
    git: GitSource | None = None
    inference_entry_point: RelativePath | None = None
    inference: Serving | None = None

    @model_validator(mode="after")
    def _own_rules(self) -> Self:
        self._versions_fit()
        if self.source_dir is None:
            for key in ("entry_point", "inference_entry_point", "git"):
                if getattr(self, key) is not None:
                    raise refusal("source_dir", expected(f"the folder of the scripts, as {key} is given", None))
        if self.inference is not None:
            self._serving_fits(self.inference)
        return self

    def _versions_fit(self) -> None:
        if (self.transformers_version is not None) != (self.name is FrameworkName.HUGGINGFACE):
            what = "a version with huggingface and nothing with any other framework"
            raise refusal("transformers_version", expected(what, self.transformers_version))
        if (self.toolkit is not None) != (self.name is FrameworkName.RL):
            toolkit = None if self.toolkit is None else self.toolkit.name.value
            raise refusal("toolkit", expected("a toolkit with rl and nothing with any other framework", toolkit))

    def _serving_fits(self, inference: Serving) -> None:
        if self.inference_entry_point is not None:
            what = "nothing beside framework.inference, which has an entry_point of its own"
            raise refusal("inference_entry_point", expected(what, self.inference_entry_point))
        serving, other = self.serving, inference.name not in (None, self.name)
        if other and inference.version is None:
            raise refusal("inference.version", expected(f"a version of {serving.name.value}", None))
        if (serving.transformers_version is not None) != (serving.name is FrameworkName.HUGGINGFACE):
            what = "a version with huggingface and nothing with any other framework"
            raise refusal("inference.transformers_version", expected(what, inference.transformers_version))
        if inference.entry_point is not None and inference.source_dir is None and self.source_dir is None:
            raise refusal("inference.source_dir", expected("the folder of the scripts, as entry_point is given", None))

    @property
    def serving(self) -> "Framework":
        """The framework of endpoints and transforms: `inference` over the keys of this one, without its own git."""
        apart = self.inference
        if apart is None:
            return self.model_copy(update={"entry_point": self.inference_entry_point})
        name = apart.name or self.name
        return self.model_copy(
            update={
                "name": name,
                "version": apart.version or self.version,
                "py_version": apart.py_version or self.py_version,
                "transformers_version": apart.transformers_version
                or (self.transformers_version if name is FrameworkName.HUGGINGFACE else None),
                "toolkit": self.toolkit if name is FrameworkName.RL else None,
                "entry_point": apart.entry_point,
                "inference_entry_point": None,
                "inference": None,
                "source_dir": apart.source_dir or self.source_dir,
                "git": self.git if apart.source_dir is None else None,
            }
        )
