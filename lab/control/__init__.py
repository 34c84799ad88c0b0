"""What a user does with a lab: up, down, status, and waiting for what is to come."""
