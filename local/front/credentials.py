"""What counts as the caller's own credentials; any made-up key does.

No page can send an Authorization header to another origin without a preflight, which is refused. What AWS itself takes
unsigned is told apart by what a page cannot send either, or by a token that it cannot know.
"""

import re

from local.front.asgi import Headers, Scope
from local.front.origins import SITE, bucket_of

AUTHORIZATION = b"authorization"
_API_KEY = b"x-api-key"
_TARGET = b"x-amz-target"

_SCOPE = re.compile(rb"^AWS4-HMAC-SHA256 Credential=[^/,]{1,200}/\d{8}/[\w-]{1,50}/([\w-]{1,50})/aws4_request")

# A presigned query: SigV4's two members, or those of the signature before it.
_PRESIGNED = (b"x-amz-signature=", b"x-amz-credential=")
_PRESIGNED_BEFORE = (b"signature=", b"awsaccesskeyid=")

# The links of SNS's messages, which whoever receives them follows; each carries what only its message tells.
_LINKS = (b"Action=ConfirmSubscription&", b"Action=Unsubscribe&")

# A sign-in page of Cognito, and where its tokens are taken and checked.
_SIGN_IN = re.compile(
    r"/(oauth2/(authorize|login|token|userInfo|userinfo)|login|logout"
    r"|[\w-]+_\w+/\.well-known/(jwks\.json|openid-configuration))"
)

# The operations that botocore's models mark with `"authtype": "none"` and that are named in a header.
_IDENTITY_PROVIDER = """
AssociateSoftwareToken ChangePassword CompleteWebAuthnRegistration ConfirmDevice ConfirmForgotPassword ConfirmSignUp
DeleteUser DeleteUserAttributes DeleteWebAuthnCredential ForgetDevice ForgotPassword GetDevice GetTokensFromRefreshToken
GetUser GetUserAttributeVerificationCode GetUserAuthFactors GlobalSignOut InitiateAuth ListDevices
ListWebAuthnCredentials ResendConfirmationCode RespondToAuthChallenge RevokeToken SetUserMFAPreference SetUserSettings
SignUp StartWebAuthnRegistration UpdateAuthEventFeedback UpdateDeviceStatus UpdateUserAttributes VerifySoftwareToken
VerifyUserAttribute
"""
_IDENTITY = "GetCredentialsForIdentity GetId GetOpenIdToken UnlinkIdentity"
UNSIGNED = frozenset(
    f"{prefix}.{operation}".encode()
    for prefix, operations in (
        ("AWSCognitoIdentityProviderService", _IDENTITY_PROVIDER),
        ("AWSCognitoIdentityService", _IDENTITY),
    )
    for operation in operations.split()
)
"""X-Amz-Target of what AWS takes without a signature."""


def are_for_another_service(headers: Headers) -> bool:
    """Tells whether a request is signed for a service of AWS, and not for an HTTP API of somebody's."""
    signed = _SCOPE.search(headers.get(AUTHORIZATION, b""))
    return signed is not None and signed[1] != b"execute-api"


def are_there(scope: Scope, headers: Headers) -> bool:
    """Tells whether a request carries credentials, or is one that AWS takes without.

    A browser's presigned query counts for S3 alone: a link can be followed by mistake, and in the query protocol a GET
    may change things.
    """
    if AUTHORIZATION in headers or _API_KEY in headers:
        return True
    if is_presigned(scope):
        return SITE not in headers or bucket_of(scope, headers) is not None
    return headers.get(_TARGET) in UNSIGNED or _is_unsigned_by_nature(scope)


def is_presigned(scope: Scope) -> bool:
    """Tells whether a query is one of a presigned URL: `X-Amz-Signature` and `X-Amz-Credential`, or SigV2's two."""
    query = b"&" + scope["query_string"].lower()
    return any(all(b"&" + member in query for member in members) for members in (_PRESIGNED, _PRESIGNED_BEFORE))


def _is_unsigned_by_nature(scope: Scope) -> bool:
    if scope["path"] == "/":
        query: bytes = scope["query_string"]
        return scope.get("method") == "GET" and query.startswith(_LINKS)
    return _SIGN_IN.fullmatch(scope["path"]) is not None
