"""Processing stage: the model's forecasts of the points held back, scored as evaluation.json (stages.py)."""

import sys

import job
import stages

if __name__ == "__main__":
    sys.exit(job.run(lambda: stages.evaluate(sys.argv[1:]), job.PROCESSING_REPORT))
