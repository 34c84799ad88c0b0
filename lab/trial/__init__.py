"""Trials of a running lab: what goes over when something fails, how fast, and what is lost on the way."""
