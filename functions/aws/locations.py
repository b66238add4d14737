"""Objects by their s3:// URI, plain and not percent-encoded, as SageMaker tells and takes them."""


def split_uri(uri: str) -> tuple[str, str]:
    """Returns bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
