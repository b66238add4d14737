"""The kinds of job that there are."""

from local.sagemaker.jobs import processing, training, transform, tuning

KINDS = (training.KIND, processing.KIND, transform.KIND, tuning.KIND)
