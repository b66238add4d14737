"""Training jobs: channels in, a model out.

`kind.py` is the work, over `rules.py` (what is refused), `layout.py` (what an instance finds), `stages.py` (what the
document says meanwhile) and `artifacts.py` (what is left).

Contract: "Using Amazon SageMaker to run your training container" in the developer guide; script mode as the
sagemaker-training toolkit has it. Files are the one way data comes: a channel of InputMode FastFile or Pipe is there as
files too, and its log says so.
"""
