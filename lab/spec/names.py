"""What a lab, and everything in it, may be called. Nothing is imported here: quick commands need no more of a spec."""

NAME_PATTERN = "[a-z][a-z0-9-]{0,31}"
