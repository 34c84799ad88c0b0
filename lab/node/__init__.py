"""The agent in each node: makes a NodePlan so and writes the NodeReport."""
