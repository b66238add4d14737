"""`headrace images`: the own images of the catalogue, built by docker and pushed to ECR."""
