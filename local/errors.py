"""What can go wrong when a local cloud starts.

LocalCloudError
 +- PortInUse
 +- StateInUse
 +- DatabaseUnusable
 +- StackFailed
 +- IsolationRefused
"""


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked; the text says what to do next."""


class PortInUse(LocalCloudError):
    """Another process listens on the port."""


class StateInUse(LocalCloudError):
    """Another local cloud works in the same state directory."""


class DatabaseUnusable(LocalCloudError):
    """A file of the state directory is not one that this version can go on with."""


class StackFailed(LocalCloudError):
    """CloudFormation could not bring the stack up."""


class IsolationRefused(LocalCloudError):
    """Jobs are to be kept apart in a way that this machine does not give."""
