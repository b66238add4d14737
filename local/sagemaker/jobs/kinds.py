"""The kinds of job that there are."""

from local.sagemaker.jobs import processing
from local.sagemaker.jobs.training import kind as training
from local.sagemaker.jobs.transform import kind as transform
from local.sagemaker.jobs.tuning import kind as tuning

KINDS = (training.KIND, processing.KIND, transform.KIND, tuning.KIND)
