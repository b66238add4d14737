"""The commands as they are typed: a file for each, a folder for each group."""
