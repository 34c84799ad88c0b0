"""The guest's image: recipe, build, cache."""

from lab.image.cache import GuestImage, ImageInfo, base_is_built, ensure, find, list_images, remove

__all__ = ["GuestImage", "ImageInfo", "base_is_built", "ensure", "find", "list_images", "remove"]
