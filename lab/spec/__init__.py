"""From the user's file to a LabSpec, with every problem named."""
