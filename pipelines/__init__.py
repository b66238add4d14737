"""algorithm.yaml -> SageMaker pipeline definition, and its publication.

Read in this order: `spec/` (what a file may say), `catalogue` (a folder of them), `environment` (names and ARNs), then
`compile`, which tells the stages: `staging/` (what is uploaded), `definition/` (the one place that imports the
sagemaker SDK), `product` (what comes out). `publishing/` brings it to a deployment.
"""
