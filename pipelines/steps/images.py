"""The container image of each end of an algorithm: its own, or its framework's from the SDK's tables."""

from sagemaker import image_uris

from pipelines.problems import CompileError
from pipelines.request import Request
from pipelines.spec import Framework, FrameworkName

_WITHOUT_PYTHON = frozenset({FrameworkName.XGBOOST})
_ONE_IMAGE = frozenset({FrameworkName.SKLEARN, FrameworkName.XGBOOST})
"""Frameworks whose one image trains and serves; the SDK's table of serving images lags behind for these."""


def training_image(request: Request) -> str:
    """The image of training and processing."""
    kind = request.spec.training.instance_type if request.spec.training else _serving_type(request)
    return request.training_image or _framework_image(request, "training", kind)


def inference_image(request: Request) -> str:
    """The image of endpoints and transforms."""
    return request.inference_image or _framework_image(request, "inference", _serving_type(request))


def _serving_type(request: Request) -> str:
    return request.spec.deploy.instance_type or "ml.m5.large"


def _framework_image(request: Request, scope: str, instance_type: str) -> str:
    framework = request.spec.framework
    if framework is None:
        raise CompileError("expected an image or a framework, found neither")
    try:
        uri: str = image_uris.retrieve(
            framework=framework.name.value,
            region=request.environment.region,
            version=framework.transformers_version or framework.version,
            py_version=None if framework.name in _WITHOUT_PYTHON else framework.py_version,
            instance_type=instance_type,
            image_scope="training" if framework.name in _ONE_IMAGE else scope,
            base_framework_version=_base(framework),
        )
    except ValueError as error:
        raise CompileError(f"framework: {' '.join(str(error).split())}") from error
    return uri


def _base(framework: Framework) -> str | None:
    """A Hugging Face image is chosen by its library's version on top of PyTorch's, which is `version`."""
    return None if framework.transformers_version is None else f"pytorch{framework.version}"
