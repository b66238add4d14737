"""What a training job leaves in S3: its model, and what stands in output/data."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from local.documents import Document
from local.sagemaker.jobs.instances import Instance
from local.sagemaker.jobs.job import Job
from local.sagemaker.machine import archives, storage


def upload(job: Job, document: Document, cluster: Sequence[Instance]) -> str:
    """Answers where the model is (or would be: an empty folder is not uploaded, as on AWS)."""
    root = upload_data(job, document, cluster)
    model = _merged(cluster, "model")
    if document["OutputDataConfig"].get("CompressionType") == "NONE":
        storage.upload_folder(job.machine.s3, model, f"{root}/model", job.machine.closing)
        return f"{root}/model/"
    if archives.is_empty(model):
        cluster[0].log.write("No model artifact is saved under path /opt/ml/model; none is uploaded to S3.")
    else:
        _upload_packed(job, model, f"{root}/model.tar.gz")
    return f"{root}/model.tar.gz"


def upload_data(job: Job, document: Document, cluster: Sequence[Instance]) -> str:
    """Answers the folder in S3 of all that the job leaves."""
    root = storage.joined(document["OutputDataConfig"]["S3OutputPath"], job.name, "output")
    data = _merged(cluster, "output/data")
    if not archives.is_empty(data):
        _upload_packed(job, data, f"{root}/output.tar.gz")
    return root


def _merged(cluster: Sequence[Instance], folder: str) -> Path:
    """Returns the first instance's folder with the other instances' files added; its own files stay as they are."""
    target = cluster[0].ml / folder
    for other in cluster[1:]:
        for path in sorted((other.ml / folder).rglob("*")):
            file = target / path.relative_to(other.ml / folder)
            if path.is_file() and not path.is_symlink() and not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, file)
    return target


def _upload_packed(job: Job, folder: Path, uri: str) -> None:
    archive = job.folder / uri.rsplit("/", 1)[1]
    archives.pack(folder, archive)
    storage.upload_file(job.machine.s3, archive, uri)
    archive.unlink()
