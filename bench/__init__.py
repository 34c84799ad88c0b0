"""How long a lab takes, beside the shortest hand-written script that does the same work in the same guest."""
