"""`make demo`: a few hundred real Jobs, two queues, and a table that shows who goes next and why.

`story` is what happens, step by step; `world` is what the API server says about it, asked again and again; `screen`
is how a person sees both. Nothing in here takes Headgate's word for anything that can be counted from a list of Jobs.
"""
