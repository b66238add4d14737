"""The runtime's own headers, in small letters."""

from collections.abc import Mapping

Headers = Mapping[str, str]
"""Names in small letters."""

PREFIX = "x-amzn-sagemaker-"
ATTRIBUTES = f"{PREFIX}custom-attributes"
TARGET_MODEL = f"{PREFIX}target-model"
SESSION = f"{PREFIX}session-id"
NEW_SESSION = "NEW_SESSION"
OPENED_SESSION = f"{PREFIX}new-session-id"
CLOSED_SESSION = f"{PREFIX}closed-session-id"
