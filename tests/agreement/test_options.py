"""Every option of algorithm.yaml is read by somebody: changed alone, it changes what AWS is asked, or is refused.

What is asked is a pipeline's definition, what publishing makes, and the calls of the functions that deploy. A section
that is only passed on, such as the settings in the step Deploy, counts by what is made of it at its other end.
"""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from functions.catalogue import catalogue as published_catalogue
from functions.deployments import serving
from functions.uploads import keys
from functions.waiting import endpoints, rollouts
from functions.waiting.states import EndpointState
from pipelines.catalogue import load_catalogue
from pipelines.definition.cache import definitions
from pipelines.definition.document import steps_of
from pipelines.definition.exchange import Refusal
from pipelines.environment import Environment
from pipelines.product import CompiledPipeline, compiled
from pipelines.progress import silent
from pipelines.spec import AlgorithmSpec
from pipelines.staging.stage import Staged, stage
from tests.unit.functions.cloud import Cloud
from tests.unit.memory import mock_aws
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm

pytestmark = pytest.mark.xdist_group("options")

ROOT = Path(__file__).parents[2]
Spec = dict[str, Any]
SHA = "0123456789abcdef0123456789abcdef01234567"


def having(base: Spec, **changes: Any) -> Spec:
    """A specification with dotted keys set (`deploy__mode`), or taken out (None)."""
    spec = copy.deepcopy(base)
    for path, value in changes.items():
        *sections, key = path.split("__")
        place = spec
        for section in sections:
            place = place.setdefault(section, {})
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return spec


ASYNC = having(OWN, deploy={"mode": "async", "instance_type": "ml.m5.large"})
SERVERLESS = having(OWN, deploy={"mode": "serverless"})
CANARY = having(ASYNC, deploy__canary={"percent": 10})
TUNED = having(
    OWN,
    processing__arguments=["target"],
    tuning={
        "objective": {"metric": "accuracy", "regex": "accuracy=([0-9.]+)"},
        "ranges": {"max_depth": {"minimum": 2, "maximum": 8}},
    },
)
LISTED = having(TUNED, tuning__ranges={"max_depth": {"values": [2, 4]}})
BATCH = having(OWN, batch=True, transform={"channel": "test"})
BATCHES = having(UNTRAINED, batch=True, deploy={"mode": "none"}, register=None, transform={})
RETRAINED = having(OWN, retrain={"schedule": "rate(1 day)"})
HUGGING = having(
    FRAMEWORK,
    framework={
        **FRAMEWORK["framework"],
        "name": "huggingface",
        "version": "2.0.0",
        "py_version": "py310",
        "transformers_version": "4.28.1",
    },
    training__instance_type="ml.g5.xlarge",
    deploy__instance_type="ml.g5.xlarge",
)
APART = having(
    FRAMEWORK,
    framework__inference_entry_point=None,
    framework__inference={"entry_point": "inference.py", "version": "1.2-1"},
)
APART_HUGGING = having(
    HUGGING, framework__inference_entry_point=None, framework__inference={"entry_point": "inference.py"}
)
GIT = having(FRAMEWORK, framework__git={"repo": "https://example.test/a.git", "commit": SHA})
REINFORCED = having(
    FRAMEWORK,
    framework__name="rl",
    framework__version="1.6.0",
    framework__py_version="py37",
    framework__toolkit={"name": "ray", "base": "tensorflow"},
    inferable=False,
    framework__inference_entry_point=None,
    deploy={"mode": "none"},
    register=None,
)
TWO_IMAGES = having(OWN, image={"training": {"build": "container"}, "inference": {"uri": "example.test/a:1"}})
CHAIN: Spec = {
    "name": "chained",
    "title": "Two in a row",
    "trainable": False,
    "inferable": False,
    "chain": {"detect": {"algorithm": "own"}, "read": {"algorithm": "own"}},
}
VPC = having(OWN, network={"subnets": ["subnet-1"], "security_group_ids": ["sg-1"]})
LOCKED = having(OWN, encryption={"volume_key": "alias/a", "output_key": "alias/a"})
ELSEWHERE = having(OWN, local={"runs": False, "reason": "it is large"})

Case = tuple[Spec, Spec]


def case(base: Spec, **changes: Any) -> Case:
    return base, having(base, **changes)


CASES: dict[str, Case] = {
    "name": case(OWN, name="other"),
    "trainable": case(OWN, trainable=False),
    "inferable": case(OWN, inferable=False),
    "batch": case(BATCHES, batch=False),
    "image.build": case(OWN, image__build="model"),
    "image.uri": case(having(OWN, image={"uri": "example.test/a:1"}), image__uri="example.test/a:2"),
    "image.ssm": case(having(OWN, image={"ssm": "/images/one"}), image__ssm="/images/two"),
    "image.training.build": case(TWO_IMAGES, image__training={"build": "model"}),
    "image.training.uri": case(TWO_IMAGES, image__training={"uri": "example.test/b:1"}),
    "image.training.ssm": case(TWO_IMAGES, image__training={"ssm": "/images/one"}),
    "image.inference.build": case(TWO_IMAGES, image__inference={"build": "model"}),
    "image.inference.uri": case(TWO_IMAGES, image__inference={"uri": "example.test/a:2"}),
    "image.inference.ssm": case(TWO_IMAGES, image__inference={"ssm": "/images/one"}),
    "framework.name": case(FRAMEWORK, framework__name="xgboost", framework__version="1.7-1"),
    "framework.version": case(FRAMEWORK, framework__version="1.4-2"),
    "framework.py_version": case(HUGGING, framework__py_version="py311"),
    "framework.transformers_version": case(HUGGING, framework__transformers_version="4.49.0"),
    "framework.toolkit.name": case(REINFORCED, framework__toolkit__name="coach"),
    "framework.toolkit.base": case(REINFORCED, framework__toolkit__base="pytorch"),
    "framework.entry_point": case(FRAMEWORK, framework__entry_point="process.py"),
    "framework.source_dir": case(FRAMEWORK, framework__source_dir="container"),
    "framework.git.repo": case(GIT, framework__git__repo="https://example.test/b.git"),
    "framework.git.branch": case(GIT, framework__git__branch="main"),
    "framework.git.commit": case(GIT, framework__git__commit=SHA[::-1]),
    "framework.inference_entry_point": case(FRAMEWORK, framework__inference_entry_point="train.py"),
    "framework.inference.name": case(APART, framework__inference__name="pytorch", framework__inference__version="2.1"),
    "framework.inference.version": case(APART, framework__inference__version="1.4-2"),
    "framework.inference.py_version": case(APART_HUGGING, framework__inference__py_version="py311"),
    "framework.inference.transformers_version": case(
        APART_HUGGING, framework__inference__transformers_version="4.49.0"
    ),
    "framework.inference.entry_point": case(APART, framework__inference__entry_point="train.py"),
    "framework.inference.source_dir": case(APART, framework__inference__source_dir="container"),
    "chain.detect.algorithm": case(CHAIN, chain__detect__algorithm="other"),
    "chain.detect.min_confidence": case(CHAIN, chain__detect__min_confidence=0.5),
    "chain.detect.margin": case(CHAIN, chain__detect__margin=0.5),
    "chain.read.algorithm": case(CHAIN, chain__read__algorithm="other"),
    "chain.max_crops": case(CHAIN, chain__max_crops=3),
    "artifact": case(UNTRAINED, artifact="source"),
    "channels.*.required": case(having(OWN, processing=None, evaluation=None), channels__train__required=False),
    "hyperparameters.*.type": case(OWN, hyperparameters__rate__type="integer"),
    "hyperparameters.*.default": case(OWN, hyperparameters__max_depth__default=5),
    "hyperparameters.*.minimum": case(OWN, hyperparameters__max_depth__minimum=3),
    "hyperparameters.*.maximum": case(OWN, hyperparameters__max_depth__maximum=9),
    "hyperparameters.*.choices": case(OWN, hyperparameters__target__choices=["Species", "Kind"]),
    "training.instance_type": case(OWN, training__instance_type="ml.m5.xlarge"),
    "training.instance_count": case(OWN, training__instance_count=2),
    "training.volume_gb": case(OWN, training__volume_gb=20),
    "training.max_runtime_seconds": case(OWN, training__max_runtime_seconds=600),
    "training.spot.max_wait_seconds": case(
        having(OWN, training__spot={"max_wait_seconds": 7200}), training__spot={"max_wait_seconds": 9000}
    ),
    "training.metrics": case(OWN, training__metrics={"loss": "loss=([0-9.]+)"}),
    "training.input_mode": case(OWN, training__input_mode="FastFile"),
    "tuning.objective.metric": case(TUNED, tuning__objective__metric="f1"),
    "tuning.objective.regex": case(TUNED, tuning__objective__regex="a=([0-9.]+)"),
    "tuning.objective.goal": case(TUNED, tuning__objective__goal="minimize"),
    "tuning.strategy": case(TUNED, tuning__strategy="Random"),
    "tuning.max_jobs": case(TUNED, tuning__max_jobs=3),
    "tuning.parallel_jobs": case(TUNED, tuning__parallel_jobs=2),
    "tuning.ranges.*.minimum": case(TUNED, tuning__ranges__max_depth__minimum=3),
    "tuning.ranges.*.maximum": case(TUNED, tuning__ranges__max_depth__maximum=9),
    "tuning.ranges.*.scaling": case(TUNED, tuning__ranges__max_depth__scaling="Logarithmic"),
    "tuning.ranges.*.values": case(LISTED, tuning__ranges__max_depth__values=[2, 5]),
    "processing.instance_type": case(OWN, processing__instance_type="ml.m5.xlarge"),
    "processing.instance_count": case(OWN, processing__instance_count=2),
    "processing.volume_gb": case(OWN, processing__volume_gb=20),
    "processing.max_runtime_seconds": case(OWN, processing__max_runtime_seconds=600),
    "processing.arguments": case(OWN, processing__arguments=["target"]),
    "processing.entry_point": case(FRAMEWORK, processing__entry_point="train.py"),
    "evaluation.metric": case(OWN, evaluation__metric="f1"),
    "evaluation.threshold": case(OWN, evaluation__threshold=0.9),
    "evaluation.goal": case(OWN, evaluation__goal="minimize"),
    "evaluation.against": case(OWN, evaluation__against="deployed"),
    "evaluation.entry_point": case(FRAMEWORK, evaluation__entry_point="train.py"),
    "register.group": case(OWN, register__group="other"),
    "register.approval": case(OWN, register__approval="manual"),
    "register.content_types": case(OWN, register__content_types=["image/png"]),
    "register.response_types": case(OWN, register__response_types=["image/png"]),
    "register.sample": case(OWN, register__sample="model/model.json"),
    "deploy.mode": case(ASYNC, deploy__mode="realtime"),
    "deploy.instance_type": case(ASYNC, deploy__instance_type="ml.m5.xlarge"),
    "deploy.count": case(ASYNC, deploy__count=2),
    "deploy.max_concurrent_invocations": case(ASYNC, deploy__max_concurrent_invocations=7),
    "deploy.memory_mb": case(SERVERLESS, deploy__memory_mb=4096),
    "deploy.max_concurrency": case(SERVERLESS, deploy__max_concurrency=9),
    "deploy.startup_timeout_seconds": case(ASYNC, deploy__startup_timeout_seconds=900),
    "deploy.environment": case(ASYNC, deploy__environment={"A": "b"}),
    "deploy.canary.shift": case(CANARY, deploy__canary__shift="linear"),
    "deploy.canary.percent": case(CANARY, deploy__canary__percent=20),
    "deploy.canary.wait_seconds": case(CANARY, deploy__canary__wait_seconds=20),
    "deploy.canary.max_latency_ms": case(CANARY, deploy__canary__max_latency_ms=20),
    "deploy.canary.max_backlog": case(CANARY, deploy__canary__max_backlog=20),
    "transform.instance_type": case(BATCH, transform__instance_type="ml.m5.xlarge"),
    "transform.instance_count": case(BATCH, transform__instance_count=2),
    "transform.content_type": case(BATCH, transform__content_type="text/csv"),
    "transform.accept": case(BATCH, transform__accept="text/csv"),
    "transform.split_type": case(BATCH, transform__split_type="Line"),
    "transform.assemble_with": case(BATCH, transform__assemble_with="Line"),
    "transform.strategy": case(BATCH, transform__strategy="SingleRecord"),
    "transform.max_concurrent": case(BATCH, transform__max_concurrent=2),
    "transform.max_payload_mb": case(BATCH, transform__max_payload_mb=2),
    "transform.channel": case(BATCH, transform__channel="train"),
    "retrain.schedule": case(RETRAINED, retrain__schedule="rate(2 days)"),
    "trigger.on": case(RETRAINED, trigger__on="schedule"),
    "trigger.pattern": case(OWN, trigger__pattern="*.parquet"),
    "cache.expire_after": case(having(OWN, cache={"expire_after": "P1D"}), cache={"expire_after": "P2D"}),
    "retry.max_attempts": case(having(OWN, retry={}), retry__max_attempts=7),
    "retry.interval_seconds": case(having(OWN, retry={}), retry__interval_seconds=7),
    "retry.backoff_rate": case(having(OWN, retry={}), retry__backoff_rate=3),
    "network.subnets": case(VPC, network__subnets=["subnet-2"]),
    "network.security_group_ids": case(VPC, network__security_group_ids=["sg-2"]),
    "network.isolation": case(OWN, network__isolation=True),
    "network.encrypt_traffic": case(OWN, network__encrypt_traffic=True),
    "encryption.volume_key": case(LOCKED, encryption__volume_key="alias/b"),
    "encryption.output_key": case(LOCKED, encryption__output_key="alias/b"),
    "tags": case(OWN, tags={"team": "a"}),
    "results.labels": case(UNTRAINED, results__labels=["OTHER", "20-30"]),
}

TOLD = {"title", "reference", "channels.*.description", "hyperparameters.*.description"}
"""Words for people: the API and the command line tell them."""

READ = {
    "retrain.only_if_new_data": ("functions/training/retraining.py", 'retrain.get("only_if_new_data"'),
    "local.runs": ("cli/deployment/catalogue.py", "spec.local.runs"),
    "local.reason": ("cli/commands/algorithms/resolving.py", "spec.local.reason"),
    "local.build": ("cli/deployment/local.py", 'local["build"]'),
}
"""Read by Headrace itself and by nothing that AWS is asked: who does so, and the words."""


def options(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The paths of all keys that hold a value; `*` stands for a name that the file chooses."""
    for name, described in model.model_fields.items():
        path = prefix + (described.alias or name)
        sections = list(_sections(described.annotation))
        if not sections:
            yield path
        for section, named in sections:
            yield from options(section, f"{path}.*." if named else f"{path}.")


def _sections(annotation: Any, *, named: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, named
    for inner in get_args(annotation):
        yield from _sections(inner, named=named or getattr(annotation, "__origin__", None) is dict)


def test_every_option_has_its_case() -> None:
    known = set(options(AlgorithmSpec))
    assert known - set(CASES) - TOLD - set(READ) == set()
    assert (set(CASES) | TOLD | set(READ)) - known == set()


@pytest.mark.parametrize("option", READ)
def test_an_option_for_headrace_is_read_by_it(option: str) -> None:
    file, words = READ[option]
    assert words in (ROOT / file).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def effects(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[str, str]]:
    """For each option, what comes of its base and of the base with it changed."""
    folder = tmp_path_factory.mktemp("options")
    specs = {_key(spec): spec for pair in CASES.values() for spec in pair}
    loaded = {key: _load(folder / key, spec) for key, spec in specs.items()}
    staged = {key: one for key, one in loaded.items() if isinstance(one, Staged)}
    defined = {key: one for key, one in staged.items() if one.request.spec.chain is None}
    texts = definitions([one.request for one in defined.values()], cache / "definitions", silent)
    by_key = dict(zip(defined, texts, strict=True))
    come = {key: one if isinstance(one, str) else _effect(one, by_key.get(key)) for key, one in loaded.items()}
    return {option: (come[_key(base)], come[_key(changed)]) for option, (base, changed) in CASES.items()}


def _key(spec: Spec) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def _load(folder: Path, spec: Spec) -> "Staged | str":
    """A staged algorithm, or the words in which it is refused."""
    write_algorithm(folder, spec)
    for other in ("own", "other"):
        # What a chain may lead to.
        write_algorithm(folder, {**OWN, "name": other}) if spec["name"] == "chained" else None
    catalogue = load_catalogue(folder)
    if catalogue.problems:
        return "; ".join(sorted(str(problem) for problem in catalogue.problems))
    algorithm = next(one for one in catalogue.algorithms if one.name == spec["name"])
    images = {"/images/one": "example.test/one:1", "/images/two": "example.test/two:1"}
    return stage(algorithm, Environment(), images, folder / "git")


def _effect(staged: Staged, definition: str | Refusal | None) -> str:
    """What comes of an algorithm: as text, so that two can be compared."""
    if isinstance(definition, Refusal):
        return f"{definition.path}: {definition.text}"
    request = staged.request
    made = compiled(request.spec, request.environment, definition, staged.uploads, {}, staged.content_sha256)
    asked = {
        "definition": None if definition is None else _without_passed_on(definition),
        "published": [made.retrain_schedule, made.parameters, made.tags, made.deployment_job_id],
        # What an image or an archive is made of.
        "sources": [staged.content_sha256, [getattr(upload.origin, "source", None) for upload in staged.uploads]],
        "functions": _functions(made),
    }
    return json.dumps(asked, sort_keys=True, default=str)


def _without_passed_on(definition: str) -> Any:
    """The definition without what its step Deploy passes on, which `_deployed` follows."""
    document = json.loads(definition)
    for step in steps_of(document):
        if step["Name"] == "Deploy":
            step["Arguments"].pop("deploy")
    return document


def _functions(made: CompiledPipeline) -> Any:
    """What the functions make of the published row: of files that arrive, of values, of a model that is good."""
    spec = json.loads(made.published)
    algorithm = published_catalogue.Algorithm(spec["name"], spec)
    given = {
        name: value for name in ("max_depth", "target") for value in (2, 10, "Kind") if name in spec["hyperparameters"]
    }
    return {
        "starts": [
            algorithm.starts_on_upload,
            *(keys.matches(algorithm.pattern, file) for file in ("a.csv", "a.parquet")),
        ],
        "values": [published_catalogue.check(algorithm, {name: value}) for name in given for value in (2, 10, "Kind")],
        "labels": algorithm.labels,
        "batches": algorithm.transforms_uploads,
        "chain": algorithm.chain,
        "deployed": _deployed(algorithm) if algorithm.endpoint else None,
    }


def _deployed(algorithm: published_catalogue.Algorithm) -> Any:
    """The calls that put a model of it behind an endpoint that serves another."""
    with mock_aws():
        cloud = Cloud()
        endpoint = str(algorithm.endpoint)
        serving.prepare(
            serving.Deployment("J", algorithm.name, "arn:package", endpoint, algorithm.serving), cloud.services
        )
        cloud.sagemaker.endpoints[endpoint] = {}
        rollout = rollouts.rollout(algorithm.serving, endpoint)
        endpoints.update(cloud.services, EndpointState(endpoint, "InService", "old", ""), "new", rollout)
        return [cloud.sagemaker.models, cloud.sagemaker.configs, cloud.cloudwatch.alarms, cloud.sagemaker.calls]


@pytest.mark.parametrize("option", CASES)
def test_an_option_that_changes_changes_what_is_done(effects: Mapping[str, tuple[str, str]], option: str) -> None:
    before, after = effects[option]
    assert before.startswith("{"), f"the base is refused: {before}"
    assert before != after
