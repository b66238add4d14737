"""Which names Step Functions takes."""

import re

from local.stepfunctions.api import errors

_BANNED = re.compile(r'[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]')


def check(name: str) -> str:
    """Reads the token; its length is the model's to check. Raises ApiError."""
    if _BANNED.search(name) is not None:
        raise errors.invalid_name(name)
    return name
