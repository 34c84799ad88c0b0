"""The lab process: parent of the nodes' agents, where the nodes are."""
