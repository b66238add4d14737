"""What clients see: requests and answers by botocore's model, pages of lists, errors, ARNs."""
