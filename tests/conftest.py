"""What every test starts from."""

import functools
import os
import signal
import sys

import botocore.loaders
import botocore.session
import hypothesis

# A shell that runs something in the background has it ignore SIGINT, and so would every program that a test starts and
# ends as Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests start hundreds of Python programs. Where bytecode is not kept, most of what each does is compiling, again,
# what the one before it compiled: two thirds of a start of the local cloud.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A boto3 session of its own parses the model of every service it makes a client of; tests make hundreds.
vars(botocore.session)["create_loader"] = functools.cache(botocore.loaders.create_loader)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("headrace", deadline=None)
hypothesis.settings.load_profile("headrace")
