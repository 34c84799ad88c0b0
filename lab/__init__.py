"""The lab: spec, plan, substrates, control plane, trials, diagnosis and the command line."""
