"""Who a caller with made-up credentials is: a SageMaker execution role, as in a notebook on AWS.

`sagemaker.get_execution_role()` asks STS who is calling, and refuses a user or the root of an account. The SDK knows
this role's name and asks nothing more of it.
"""

from typing import Any

ROLE = "AmazonSageMaker-ExecutionRole"
_SESSION = "local"


def call_the_unknown_a_role() -> None:
    """Callers whose key MiniStack has given out keep the identity that they have."""
    from ministack.services import sts

    identify = sts._caller_identity

    def identified(headers: dict[str, str], query_params: Any = None) -> Any:
        caller = identify(headers, query_params)
        if not isinstance(caller, dict) or caller.get("principalType") != "Root":
            return caller
        return {
            **caller,
            "userArn": f"arn:aws:sts::{caller['accountId']}:assumed-role/{ROLE}/{_SESSION}",
            "userId": f"AROA0000000000LOCAL00:{_SESSION}",
            "principalType": "AssumedRole",
        }

    sts._caller_identity = identified
