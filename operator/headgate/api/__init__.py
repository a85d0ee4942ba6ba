"""The resources, as pydantic models: the single source of the CRDs and of the words used everywhere else."""
