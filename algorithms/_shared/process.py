"""Processing stage: the uploaded table, checked and split into `train` and `test` (stages.py)."""

import sys

import job
import stages

if __name__ == "__main__":
    sys.exit(job.run(lambda: stages.process(sys.argv[1:]), job.PROCESSING_REPORT))
