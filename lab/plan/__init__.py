"""From a LabSpec to a LabPlan: every number decided."""
