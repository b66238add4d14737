"""Uploads by an HTML form: S3's POST Object carries its credentials in the body, as fields before the file.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

import re

from local.front.asgi import Headers, Message, Receive, Scope
from local.front.origins import FORM, bucket_of

_FIELD = re.compile(
    rb'content-disposition:\s*form-data;\s*name="?(policy|x-amz-signature|signature|file)"?\s*[;\r]', re.I
)
_MOST_FIELDS = 64 * 1024
"""Bytes before the file; AWS takes 20 KB."""


def is_upload(scope: Scope, headers: Headers) -> bool:
    """Tells whether a request is a form for a bucket that there is."""
    if scope["type"] != "http" or scope["method"] != "POST" or not headers.get(b"content-type", b"").startswith(FORM):
        return False
    bucket = bucket_of(scope, headers)
    return bucket is not None and not bucket.key


async def signed(receive: Receive) -> Receive | None:
    """Returns what the request is to be received by, or None where no policy and signature come before the file.

    MiniStack checks both as S3 does, once they are there; without them it takes the form from anybody.
    """
    received: list[Message] = []
    head = b""
    while True:
        message = await receive()
        received.append(message)
        head += message.get("body", b"")
        fields = [name.lower() for name in _FIELD.findall(head[:_MOST_FIELDS])]
        if b"file" in fields or len(head) >= _MOST_FIELDS or not message.get("more_body"):
            break
    before = fields[: fields.index(b"file")] if b"file" in fields else fields
    if b"policy" not in before or len(set(before)) < 2:
        return None

    async def replay() -> Message:
        return received.pop(0) if received else await receive()

    return replay
