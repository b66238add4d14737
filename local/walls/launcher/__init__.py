"""The process between the local cloud and a program that it runs: it builds the walls, guards, and takes the end back.

Standard library only, and as little of it as can be: every job, endpoint and function waits for it. main.py is its
life, room.py the files that the program sees, rights.py what it may do, kernel.py the system calls.
"""
