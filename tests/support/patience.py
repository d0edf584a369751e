"""The one limit of tests: what takes longer has failed. No busy machine is as slow."""

SECONDS = 120.0
