"""One module for each verb (or family); each has a `command`."""
