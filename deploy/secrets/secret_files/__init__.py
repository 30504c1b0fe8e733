"""The secrets of the Compose file: made once on this machine, handed to each container by a one-shot service.

The standard library is all it needs, so that `make secrets` works on a machine with nothing but Python and Docker.
"""
