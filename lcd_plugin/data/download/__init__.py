"""Releases with a `SHA256SUMS.txt`, fetched so that an interruption costs nothing.

Nothing is imported here: readers of a release's list need no HTTP.
"""
