"""Processing stage: how many of the held-out images the network names rightly, as evaluation.json (stages.py)."""

import sys

import job
import stages

if __name__ == "__main__":
    sys.exit(job.run(lambda: stages.evaluate(sys.argv[1:]), job.PROCESSING_REPORT))
