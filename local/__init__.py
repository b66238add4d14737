"""The local cloud: AWS in one process and on one port, for a machine with no account and no Docker.

It knows AWS, not this application: the stack comes from a template, handlers by their `Handler` string, images
by the mapping it is given. Start reading at `cloud.py`.
"""
