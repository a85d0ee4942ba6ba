"""The pictures of the command line in `docs/images`: `make captures`.

They are taken from the real thing: a control plane of their own, an operator, Jobs, and `headgate` in a terminal. So
they differ a little each time, and no test compares them.
"""
