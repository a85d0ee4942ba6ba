"""`make demo`: two queues that contend for one full environment, and a table that shows who goes next and why.

The queues and environments are those of the two sample requests on AWS Batch's page about CreateJobQueue, which
`examples/aws-batch` has as manifests. `story` is what happens, step by step; `world` is what the API server says about
it, asked again and again; `screen` is how a person sees both. Nothing in here takes Headgate's word for anything that
can be counted from a list of Jobs.
"""
