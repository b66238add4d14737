"""The walls between this machine and the programs that run on it for somebody: jobs, endpoints, functions.

command.py says what to run and what it may see, boundary.py which walls this machine can build, running.py starts a
program behind them; launcher/ is the process that builds them and guards. docs/security.md lists what they hold.
"""
