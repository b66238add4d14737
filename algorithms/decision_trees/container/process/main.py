"""The `processing` command: its first argument names the stage."""

import sys

import job
import stages

STAGES = {"process": stages.process, "evaluate": stages.evaluate}


def main() -> None:
    stage, *arguments = sys.argv[1:] or [""]
    if stage not in STAGES:
        raise job.Problem(f'"{stage}" is not a processing stage; there are: {", ".join(STAGES)}.')
    STAGES[stage](arguments)


if __name__ == "__main__":
    sys.exit(job.run(main, job.PROCESSING_REPORT))
