#!/usr/bin/env bash
# botocore 1.43.106: S3's API reference says of CopySource (x-amz-copy-source) that the value must be URL-encoded. A text that is, as the other SDKs send it
# as it is, is encoded once more by botocore: `bucket/a%20b` goes out as `bucket/a%2520b`, the key `a%20b`, and S3 answers NoSuchKey. The `?versionId=` behind it
# is left alone. So a definition or a configuration that works with one SDK does not with the other; what calls botocore has to decode first.
# Seen on 2026-12-01, CPython 3.11.7: x-amz-copy-source: bucket/a%2520b/%25C3%25BC?versionId=v%2B1
# Exits 0 while it is so, 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check botocore==1.43.106
env/bin/python - <<'PYTHON'
import botocore
import botocore.session

sent = []


class Kept(Exception):
    pass


def keep(request, **_):
    sent.append(request.headers["x-amz-copy-source"])
    raise Kept


session = botocore.session.get_session()
session.set_credentials("made-up", "made-up")
client = session.create_client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:9")
client.meta.events.register("before-send.s3", keep)
try:
    client.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/a%20b/%C3%BC?versionId=v%2B1")
except Kept:
    pass
(header,) = [value.decode() if isinstance(value, bytes) else value for value in sent]
print(f"botocore {botocore.__version__}: x-amz-copy-source: {header}")
raise SystemExit(0 if header == "bucket/a%2520b/%25C3%25BC?versionId=v%2B1" else 1)
PYTHON
