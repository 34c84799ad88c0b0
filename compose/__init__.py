"""Recipes: what the guest's image is made of, and how containers are."""
