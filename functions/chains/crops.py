"""Where a chain keeps what passes between its states, and the names of those states as a job shows them."""

from typing import Final

DETECT: Final = "Detect"
READ: Final = "ReadCrops"
COLLECT: Final = "CollectTexts"
STEPS: Final = (DETECT, READ, COLLECT)


def image_key(job_id: str, index: int) -> str:
    return f"results/{job_id}/{index}.jpg"


def detections_key(job_id: str) -> str:
    return f"runs/{job_id}/detections.json"


def reading_key(job_id: str, index: int) -> str:
    return f"runs/{job_id}/readings/{index}.json"
