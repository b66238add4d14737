"""What framework images add to the toolkit: default functions of an inference script, and built-in algorithms.

Run by an image's own environment, by path; nothing here is imported by the local cloud.
"""
