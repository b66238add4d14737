"""What stands in front of the cloud: the one port, its walls, and our own services.

The walk through it: `hosts.py` (is the port meant?) -> `doors.py` (which part of it?) -> `origins.py` (may a page of
another origin?) -> `credentials.py` (is it a call of somebody's own?) -> `app.py` (who answers). docs/security.md says
what this protects from whom.
"""
