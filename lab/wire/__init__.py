"""The line protocol between a command, the lab process and the agents: one JSON object a line."""
