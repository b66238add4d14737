"""The structured logger every function shares. Lines carry the job's id and never a task token or a presigned URL."""

from aws_lambda_powertools.logging import Logger

logger = Logger()


def about(job_id: str | None) -> None:
    """Puts `job_id` on every line logged until the invocation ends."""
    if job_id:
        logger.append_keys(job_id=job_id)
