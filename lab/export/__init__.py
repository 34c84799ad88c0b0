"""A lab as files for other tools to run: bundles for its nodes, and a topology in the tool's own language. Pure."""
