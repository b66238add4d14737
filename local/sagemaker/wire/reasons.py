"""FailureReasons: AWS bounds their length."""

MAX_REASON = 1024


def shortened(reason: str, limit: int = MAX_REASON) -> str:
    """Cuts to at most `limit` characters; the beginning and, above all, the end are kept."""
    if len(reason) <= limit:
        return reason
    head = limit // 4
    return reason[:head] + " ... " + reason[-(limit - head - 5) :]
