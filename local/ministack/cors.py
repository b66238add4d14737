"""CORS as AWS has it, where MiniStack lets any page read anything or loses the rules of a template.

The rules of a bucket, and those of an HTTP API.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from local.documents import Document
from local.ministack import resources

Triple = tuple[int, dict[str, str], bytes]
Rules = Mapping[str, Any]
"""A CorsConfiguration, in the spelling of the API (`allowOrigins`) or of CloudFormation (`AllowOrigins`)."""

_API = "AWS::ApiGatewayV2::Api"
_PROPERTY = "CorsConfiguration"
_ANY = "*"


def install() -> None:
    """Read the CORS rules of HTTP APIs as their templates write them, and answer by them."""
    from ministack.services import apigateway

    apigateway._cors_response_headers = response_headers
    apigateway._cors_preflight_response = preflight_response
    resources.look_at(_API, _with_rules)


def _with_rules(properties: Document) -> Document:
    """Returns the properties of an API with its rules in its own spelling."""
    rules = properties.get(_PROPERTY)
    return {**properties, _PROPERTY: as_the_api_spells(rules)} if rules else properties


def as_the_api_spells(rules: Rules) -> dict[str, Any]:
    """Returns a CorsConfiguration with the member names and types of CreateApi.

    CloudFormation's properties may be text all the way down: https://docs.aws.amazon.com/AWSCloudFormation/latest/
    UserGuide/aws-properties-apigatewayv2-api-cors.html
    """
    spelt = {name[:1].lower() + name[1:]: value for name, value in rules.items()}
    if "allowCredentials" in spelt:
        spelt["allowCredentials"] = str(spelt["allowCredentials"]).lower() == "true"
    if "maxAge" in spelt:
        spelt["maxAge"] = int(spelt["maxAge"])
    return spelt


def response_headers(rules: Rules, origin: str) -> dict[str, str]:
    """Returns what an HTTP API adds to an answer for a page of this origin; nothing where its rules do not name it.

    An origin, `*`, `https://*` and `http://*`: https://docs.aws.amazon.com/apigateway/latest/developerguide/
    http-api-cors.html
    """
    rules = as_the_api_spells(rules or {})
    allowed = _allowed(rules.get("allowOrigins") or (), origin)
    if not origin or allowed is None:
        return {}
    added = {"Access-Control-Allow-Origin": allowed, "Vary": "Origin"}
    if rules.get("allowCredentials") and allowed != _ANY:
        added["Access-Control-Allow-Credentials"] = "true"
    if exposed := rules.get("exposeHeaders"):
        added["Access-Control-Expose-Headers"] = ",".join(exposed)
    return added


def _allowed(origins: Sequence[str], origin: str) -> str | None:
    if _ANY in origins:
        return _ANY
    wanted = origin.lower()
    schemes = tuple(pattern[:-1].lower() for pattern in origins if pattern.endswith("://*"))
    named = wanted in [pattern.lower() for pattern in origins]
    return origin if named or (schemes and wanted.startswith(schemes)) else None


def preflight_response(rules: Rules, origin: str) -> Triple:
    """Returns an HTTP API's answer to a preflight; one without the headers where the rules do not allow the page."""
    added = response_headers(rules, origin)
    if not added:
        return 403, {"Content-Type": "application/json"}, b'{"message": "no CorsConfiguration allows this origin"}'
    rules = as_the_api_spells(rules)
    for member, header in (("allowMethods", "Methods"), ("allowHeaders", "Headers")):
        if values := rules.get(member):
            added[f"Access-Control-Allow-{header}"] = ",".join(values)
    if "maxAge" in rules:
        added["Access-Control-Max-Age"] = str(rules["maxAge"])
    return 204, {**added, "Content-Length": "0"}, b""


def s3_headers(bucket: str, method: str, origin: str) -> dict[str, str]:
    """Returns what the bucket's rules add to an answer for a page of this origin."""
    from ministack.services import s3

    added: dict[str, str] = s3.cors_response_headers(bucket, method, {"origin": origin})
    return added


def s3_preflight(bucket: str, key: str, headers: Mapping[str, str]) -> Triple:
    """Returns S3's answer to a preflight, by the bucket's rules."""
    from ministack.services import s3

    preflight: Triple = s3.cors_preflight(bucket, key, dict(headers))
    return preflight
