"""Glance import plugin: platter-hook looks at every image before Glance stores it."""
