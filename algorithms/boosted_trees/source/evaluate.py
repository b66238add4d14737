"""Processing stage: the trained model's errors on the held-out rows, as evaluation.json (stages.py)."""

import sys

import job
import stages

if __name__ == "__main__":
    sys.exit(job.run(lambda: stages.evaluate(sys.argv[1:]), job.PROCESSING_REPORT))
