"""The container image of each end of an algorithm: its own, or its framework's from the SDK's tables."""

from sagemaker import image_uris

from pipelines.definition.request import Request
from pipelines.problems import CompileError, SpecRefused
from pipelines.spec import DEFAULT_INSTANCE_TYPE, Framework, FrameworkName
from pipelines.spec.served import ONE_IMAGE, base_version, problems_of, table_name

_WITHOUT_PYTHON = frozenset({FrameworkName.XGBOOST, FrameworkName.SPARKML})


def training_image(request: Request) -> str:
    if request.training_image is not None:
        return request.training_image
    training = request.spec.training
    return _image(request, _framework(request), "training", training.instance_type if training else None)


def processing_image(request: Request) -> str:
    """Returns the image of processing and evaluation: training's, for the processor that those jobs run on."""
    spec = request.spec
    machines = spec.processing or spec.training
    if request.training_image is not None or machines is None:
        return training_image(request)
    kind = machines.instance_type
    if any(key == "instance_type" for key, _ in problems_of(_framework(request), "training", kind)):
        # Made for graphics processors alone; its programs run without one, too.
        return training_image(request)
    return _image(request, _framework(request), "training", kind)


def inference_image(request: Request) -> str:
    return request.inference_image or _image(
        request, _framework(request).serving, "inference", request.spec.deploy.instance_type
    )


def transform_image(request: Request) -> str:
    """Returns the image of batch transforms, which may run on other machines than endpoints."""
    transform = request.spec.transform
    return request.inference_image or _image(
        request, _framework(request).serving, "inference", transform.instance_type if transform else None
    )


def _framework(request: Request) -> Framework:
    if request.spec.framework is None:
        raise CompileError("expected an image or a framework, found neither")
    return request.spec.framework


def _image(request: Request, framework: Framework, scope: str, instance_type: str | None) -> str:
    try:
        uri: str = image_uris.retrieve(
            framework=table_name(framework),
            region=request.environment.region,
            version=framework.transformers_version or framework.version,
            py_version=None if framework.name in _WITHOUT_PYTHON else framework.py_version,
            instance_type=instance_type or DEFAULT_INSTANCE_TYPE,
            image_scope="training" if framework.name in ONE_IMAGE else scope,
            base_framework_version=base_version(framework),
        )
    except ValueError as error:
        raise SpecRefused("framework", " ".join(str(error).split())) from error
    return uri
