"""`headrace demo`: both flows on real input, on this machine, in a local cloud of their own.

Two datasets train two algorithms to endpoints that answer, and one photo becomes five images.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.api.client import Api, Job
from cli.api.following import failures, follow, follow_all
from cli.errors import CommandError, Left
from cli.project.checkout import Project, find_project
from cli.terminal.options import AsJson
from cli.terminal.output import out, print_json, say, status_text, table
from pipelines.documents import Json

if TYPE_CHECKING:
    from local.cloud import LocalCloud

_SECONDS = 600.0
_ROWS = 3


@dataclass(frozen=True, slots=True)
class Dataset:
    """A sample dataset of the catalogue: what is uploaded, and rows it does not hold."""

    algorithm: str
    file: str
    holdout: str
    target: str
    classes: tuple[str, ...]


DATASETS = (
    Dataset(
        "decision_trees",
        "iris.csv",
        "holdout.csv",
        "Species",
        ("Iris-setosa", "Iris-versicolor", "Iris-virginica"),
    ),
    Dataset("gradient_boosting", "breast_cancer.csv", "holdout.csv", "diagnosis", ("benign", "malignant")),
)
PHOTO = ("face_aging", "astronaut.jpg")


def demo(as_json: AsJson = False) -> None:
    """Upload two datasets and a photo, and show what comes of them."""
    # The local cloud takes half a second to import: other commands do without.
    from cli.deployment.local import local_session, settings_for
    from local.settings import free_port

    project = find_project()
    state_dir = project.state_dir / "demo"
    with local_session(project, settings_for(project, port=free_port(), state_dir=state_dir, fresh=True), say) as cloud:
        jobs = _run_jobs(project, cloud)
        predictions = [_predict(project, cloud, dataset, jobs[dataset.algorithm]) for dataset in DATASETS]
        images = _fetch_images(cloud, jobs["face_aging"], state_dir / "results")
    if as_json:
        print_json({"jobs": list(jobs.values()), "predictions": predictions, "images": [str(i) for i in images]})
    else:
        _show(jobs, predictions, images)


def _run_jobs(project: Project, cloud: "LocalCloud") -> dict[str, Job]:
    """Uploads everything at once, as strangers would, and follows the jobs to SUCCESS."""
    api = Api.at(cloud.settings.endpoint)
    files = {
        dataset.algorithm: (f"datasets/{dataset.algorithm}/demo/{dataset.file}", dataset.file) for dataset in DATASETS
    }
    files[PHOTO[0]] = (f"images/{PHOTO[1]}", PHOTO[1])
    bucket = str(cloud.health()["uploads_bucket"])
    for algorithm, (key, name) in files.items():
        sample = project.algorithms / algorithm / "samples" / name
        cloud.client("s3").upload_file(str(sample), bucket, key)
        say(f"s3://{bucket}/{key}")
    ids = {algorithm: _job_of(api, key) for algorithm, (key, _) in files.items()}
    titles = {job_id: f"{algorithm} on {files[algorithm][1]}" for algorithm, job_id in ids.items()}
    try:
        followed = follow_all(api, titles, _SECONDS)
    except Left as error:
        # Here nothing goes on: the jobs end with the cloud that was started for them.
        raise Left("the demo was ended, and its local cloud with it") from error
    if failed := failures(followed):
        reasons = "; ".join(f"{job['algorithm']}: {job['error'] and job['error']['message']}" for job in failed)
        raise CommandError(f"{len(failed)} of {len(followed)} jobs failed: {reasons}")
    return dict(zip(ids, followed, strict=True))


def _job_of(api: Api, key: str) -> str:
    for job in follow(api, lambda: api.latest_job_of(key), 60):
        return str(job["job_id"])
    raise CommandError(f"{key}: the upload started no job")


def _predict(project: Project, cloud: "LocalCloud", dataset: Dataset, job: Job) -> Mapping[str, Json]:
    """Asks a job's endpoint about rows that its model has not seen."""
    text = (project.algorithms / dataset.algorithm / "samples" / dataset.holdout).read_text("utf-8")
    rows = _of_every_class(list(csv.DictReader(io.StringIO(text))), dataset.target)
    body = io.StringIO()
    writer = csv.DictWriter(body, [name for name in rows[0] if name != dataset.target], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    response = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=job["links"]["endpoint"], ContentType="text/csv", Accept="text/csv", Body=body.getvalue()
    )
    lines = csv.reader(io.StringIO(response["Body"].read().decode()))
    probabilities = [[float(cell) for cell in line] for line in lines]
    return {
        "endpoint": job["links"]["endpoint"],
        "rows": [
            {
                "row": row,
                "expected": row[dataset.target],
                "predicted": _likeliest(dataset.classes, line),
                "probabilities": line,
            }
            for row, line in zip(rows, probabilities, strict=True)
        ],
    }


def _of_every_class(rows: Sequence[dict[str, str]], target: str) -> list[dict[str, str]]:
    """Returns one row of each class, then the next of each, so that a few rows show every class."""
    by_class: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_class.setdefault(row[target], []).append(row)
    in_turn = [row for group in zip(*by_class.values(), strict=False) for row in group]
    return in_turn[: max(_ROWS, len(by_class))]


def _likeliest(classes: Sequence[str], probabilities: Sequence[float]) -> str:
    return classes[max(range(len(probabilities)), key=probabilities.__getitem__)]


def _fetch_images(cloud: "LocalCloud", job: Job, folder: Path) -> list[Path]:
    """Downloads a face job's images."""
    api = Api.at(cloud.settings.endpoint)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for result in job["results"]:
        file = folder / f"{result['index']}_{result['label']}.jpg"
        file.write_bytes(api.download(result["url"]))
        files.append(file)
    return files


def _show(jobs: Mapping[str, Job], predictions: Sequence[Mapping[str, Json]], images: Sequence[Path]) -> None:
    out.print()
    table(
        ("JOB", "ALGORITHM", "STATUS"),
        ((job["job_id"], algorithm, status_text(job["status"])) for algorithm, job in jobs.items()),
    )
    for prediction in predictions:
        out.print(f"\n{prediction['endpoint']} on rows it was not trained on", markup=False)
        table(
            ("EXPECTED", "PREDICTED", "PROBABILITIES"),
            (
                (row["expected"], row["predicted"], "  ".join(f"{p:.3f}" for p in row["probabilities"]))
                for row in prediction["rows"]
            ),
        )
    out.print("\nimages")
    for image in images:
        out.print(f"  {image}", markup=False)
