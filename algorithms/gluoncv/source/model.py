"""A network of GluonCV's zoo in a model folder: its parameters, and model.json that says which network and classes."""

from __future__ import annotations

import difflib
import json
import platform
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from job import Problem

# MXNet spells NumPy's types the old way.
warnings.simplefilter("ignore", FutureWarning)
warnings.simplefilter("ignore", DeprecationWarning)

import gluoncv  # noqa: E402
import mxnet  # noqa: E402
from gluoncv.model_zoo import get_model, get_model_list  # noqa: E402

PARAMETERS = "model.params"
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, which the zoo's weights were trained on."""
_AT_ONCE = 64
# One network serves one request at a time: MXNet's blocks are not made for several threads.
_ONE_AT_A_TIME = threading.Lock()


class Model(NamedTuple):
    """`network` takes images x 3 x size x size; its first outputs are those of `classes`, in order."""

    network: Any
    classes: Sequence[str]
    size: int

    def probabilities(self, images: Any) -> np.ndarray:
        """Images x classes."""
        with _ONE_AT_A_TIME:
            scores = self.network(images.as_in_context(context()))[:, : len(self.classes)]
            return np.asarray(mxnet.nd.softmax(scores).asnumpy())

    def features(self, images: Any) -> np.ndarray:
        """Images x what the network's last layer sees: 2048 numbers with ResNet50. Problem: a network without."""
        if not hasattr(self.network, "features"):
            raise Problem("This network has no features to search by: train one whose name does not end in a letter.")
        with _ONE_AT_A_TIME:
            found = self.network.features(images.as_in_context(context())).asnumpy()
        return np.asarray(found.mean(axis=(2, 3)) if found.ndim == 4 else found)


def context() -> Any:
    return mxnet.gpu(0) if mxnet.context.num_gpus() else mxnet.cpu()


def build(name: str, outputs: int, *, from_zoo: bool = False) -> Any:
    """A network with as many outputs: with random weights, or GluonCV's of ImageNet below a new last layer.

    Problem: the zoo has no classifier of that name, or its weights cannot be fetched.
    """
    try:
        network = get_model(name, classes=outputs)
    except (ValueError, TypeError) as error:
        # The zoo's own text goes on to list every model of the other tasks.
        others = [one for one in get_model_list() if one != name.lower()]
        found = difflib.get_close_matches(name.lower(), others)
        near = f"; near it are {', '.join(found)}" if found else ""
        raise Problem(f'GluonCV\'s zoo has no classifier "{name}"{near}.') from error
    network.initialize(mxnet.init.Xavier(magnitude=2.24), ctx=context())
    if from_zoo:
        take(network, _zoo(name))
    return network


def _zoo(name: str) -> dict[str, Any]:
    try:
        ready = get_model(name, pretrained=True, ctx=context())
    except Exception as error:  # whatever a download and a cache on disk may raise
        what = f"GluonCV's weights of {name} cannot be fetched: {error}"
        raise Problem(f"{what}. Put a .params file into the dataset, or train with pretrained=no.") from error
    return {key: value.data() for key, value in ready._collect_params_with_prefix().items()}


def take(network: Any, given: Mapping[str, Any]) -> int:
    """Set the parameters that `given` has in the same shape; answers how many. The others stay as they are."""
    own = network._collect_params_with_prefix()
    fits = {key: value for key, value in given.items() if key in own and _same(own[key].shape, value.shape)}
    for key, value in fits.items():
        own[key].set_data(value)
    return len(fits)


def images(contents: Iterable[bytes], size: int) -> Any:
    """PNG or JPEG files as the network takes them. Problem: one that is not an image."""
    return mxnet.nd.stack(*[_image(content, size) for content in contents])


def save(network: Any, folder: Path, described: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    network.save_parameters(str(folder / PARAMETERS))
    versions = {"python": platform.python_version(), "gluoncv": gluoncv.__version__, "mxnet": mxnet.__version__}
    document = {**described, "versions": versions}
    (folder / "model.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load(folder: Path) -> Model:
    for name in ("model.json", PARAMETERS):
        if not (folder / name).is_file():
            raise Problem(f"The model archive lacks {name}.")
    described = json.loads((folder / "model.json").read_text("utf-8"))
    network = get_model(described["model_name"], classes=described["outputs"])
    network.load_parameters(str(folder / PARAMETERS), ctx=context())
    network.hybridize()
    return Model(network, described["classes"], described["image_size"])


def scores(model: Model, files: Mapping[str, Sequence[Path]]) -> dict[str, float]:
    """Accuracy, and the number of images."""
    labelled = [(path, name) for name, paths in files.items() for path in paths]
    if not labelled:
        raise Problem("The test data holds no image.")
    right = 0
    for start in range(0, len(labelled), _AT_ONCE):
        batch = labelled[start : start + _AT_ONCE]
        best = model.probabilities(images([path.read_bytes() for path, _ in batch], model.size)).argmax(axis=1)
        right += sum(model.classes[index] == name for index, (_, name) in zip(best, batch))  # noqa: B905 - Python 3.8
    return {"accuracy": right / len(labelled), "images": float(len(labelled))}


def _image(content: bytes, size: int) -> Any:
    try:
        decoded = mxnet.image.imdecode(content)
    except mxnet.base.MXNetError as error:
        raise Problem("The file is not a PNG or JPEG image.") from error
    if decoded.size == 0:
        raise Problem("The file is not a PNG or JPEG image.")
    sized = mxnet.image.imresize(decoded, size, size).astype("float32") / 255
    coloured = mxnet.image.color_normalize(sized, mxnet.nd.array(MEAN), mxnet.nd.array(SPREAD))
    return coloured.transpose((2, 0, 1))


def _same(own: Any, given: Any) -> bool:
    """A parameter's shape may be open until the first image has come through: 0 stands for any."""
    return len(own) == len(given) and all(a in (0, -1, b) for a, b in zip(own, given))  # noqa: B905 - Python 3.8
