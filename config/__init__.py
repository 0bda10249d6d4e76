"""Settings, Celery, starting and watching processes; nothing of what an application does."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
