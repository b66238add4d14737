"""Processing stage: the uploaded series -> `dataset`, without their last points, and `test`, whole (stages.py)."""

import sys

import job
import stages

if __name__ == "__main__":
    sys.exit(job.run(lambda: stages.process(sys.argv[1:]), job.PROCESSING_REPORT))
