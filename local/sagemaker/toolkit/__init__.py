"""Script mode: what runs inside a framework image's environment, on the standard library alone.

`train.py` runs an entry point as the sagemaker-training toolkit does; `serve.py` serves model_fn, input_fn, predict_fn
and output_fn as the sagemaker-inference toolkit does. Neither imports anything else of this project.
"""
