"""Pools of remote clusters: connections to the members, and the copies that do the work there."""
