"""Headgate on a control plane of this machine: `make up` and `make down`, and what the demo starts with.

Nothing here is a second way to install: what runs is the chart, rendered by Helm, without the objects that need a
kubelet. The operator is a process with the token of the chart's own ServiceAccount, so its rights are the real ones.
"""
