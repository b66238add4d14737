"""Whom MiniStack takes a request for, by its Host, path and headers: judged here as it will be served there."""

from collections.abc import Mapping
from urllib.parse import parse_qs

_ENTRANCES = ("/_", "/iceberg", "/oauth2/")
_PAGES = ("/login", "/logout", "/WriteGetObjectResponse")


def is_application(host: str, path: str, *, custom_domains: bool) -> bool:
    """Tells whether MiniStack takes a request for one to an API or a function URL, which then always answers it."""
    from ministack import app

    return bool(
        app._parse_execute_api_url(host, path)
        or app._parse_lambda_url(host, path)
        or (custom_domains and app._resolve_custom_domain_request(host, path))
    )


def s3_target(headers: Mapping[str, str], path: str) -> tuple[str, str] | None:
    """Returns bucket and key of a request, by virtual host or path; None where there is no such bucket."""
    from ministack import app

    target: tuple[str, str] | None = app._s3_cors_target(headers.get("host", ""), path)
    return target


def is_for_s3(method: str, path: str, headers: Mapping[str, str], query: bytes) -> bool:
    """Tells whether MiniStack hands a request to S3 and to nobody else, whatever its path looks like."""
    from ministack.core import router

    if _is_taken_before(path, headers.get("host", "")):
        return False
    parameters = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    return bool(router.detect_service(method, path, dict(headers), parameters) == "s3")


def _is_taken_before(path: str, host: str) -> bool:
    """Tells whether one of the entrances is meant that MiniStack looks for before it asks which service it is."""
    from ministack import app

    prefixes = (*_ENTRANCES, app._S3_CONTROL_PREFIX, app._SES_V2_PREFIX)
    if path.startswith(prefixes) or path in (*_PAGES, *app._RDS_DATA_PATHS, *app._HEALTH_PATHS):
        return True
    at_host = app._parse_cloudfront_dataplane_host(host) or app._is_potential_alb_request(host, path)
    return bool(at_host or app._is_ecr_registry_path(path))


def needs_signature(host: str, method: str, path: str) -> bool:
    """Tells whether a request is for a method or route of an API with the authorization AWS_IAM."""
    from ministack import app

    address = app._parse_execute_api_url(host, path)
    if address is None:
        return False
    stage, path_of_api = app._resolve_stage_and_path(*address)
    authorization = app._execute_api_authorization_type(address[0], stage, method, path_of_api)
    return bool(authorization == "AWS_IAM")
