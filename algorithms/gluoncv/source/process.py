"""Processing stage: the uploaded images -> `train`, `val` and `test`, a folder a class in each (stages.py)."""

import sys

import job
import stages

if __name__ == "__main__":
    sys.exit(job.run(lambda: stages.process(sys.argv[1:]), job.PROCESSING_REPORT))
