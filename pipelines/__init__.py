"""algorithm.yaml -> SageMaker pipeline definition, and its publication.

Read in this order: `spec` (what a file may say), `catalogue` (a folder of them), `environment` (names and ARNs),
`sources` and `git` (what is uploaded), `compile` and `steps/` (the one place that imports the sagemaker SDK),
`publish`.
"""
