"""S3's `aws:kms` without a key: AWS takes its own key for S3 then, MiniStack refuses. The sagemaker SDK sends it so."""

from typing import Any

_ENCRYPTION = "x-amz-server-side-encryption"
_KEY = "x-amz-server-side-encryption-aws-kms-key-id"


def take_the_account_key() -> None:
    """Name the account's `aws/s3` key where a request names none; copies and multipart uploads included."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import s3

    resolve = s3._resolve_sse_write_headers

    def resolved(headers: dict[str, str], bucket: str) -> Any:
        if headers.get(_ENCRYPTION) == "aws:kms" and not headers.get(_KEY):
            key = f"arn:aws:kms:{get_region()}:{get_account_id()}:alias/aws/s3"
            headers = {**headers, _KEY: key}
        return resolve(headers, bucket)

    s3._resolve_sse_write_headers = resolved
