"""What no route knows is refused by name rather than passed over: query parameters, and bodies that are forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from functions.http import problems
from functions.http.problems import FieldError

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver, Route
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def refuse_what_no_route_knows(app: ApiGatewayResolver, following: Callable[..., Response[Any]]) -> Response[Any]:
    """Runs before each route, once its own parameters are read.

    Raises:
        Problem: a query parameter has a name that the route does not know, or the body of a route that takes JSON
            is a form.
    """
    event, route = app.current_event, app.context["_route"]
    if route.body_field is not None and is_form(event):
        raise problems.unsupported()
    unknown = _unknown_parameters(event, route)
    if unknown:
        raise problems.several_invalid(unknown)
    return following(app)


def is_form(event: BaseProxyEvent) -> bool:
    """Tells whether a body came as a form, which the router would read as if it were the JSON that was asked for."""
    return event.headers.get("content-type", "").strip().lower().startswith(_FORMS)


def _unknown_parameters(event: BaseProxyEvent, route: Route) -> list[FieldError]:
    known = [parameter.alias for parameter in route.dependant.query_params]
    names = ", ".join(sorted(known)) or "none"
    return [
        FieldError(problems.shown(name), f"there is no such query parameter; there are: {names}")
        for name in event.get("queryStringParameters") or {}
        # A signature in the query is API Gateway's, not the route's.
        if name not in known and not name.lower().startswith("x-amz-")
    ]
