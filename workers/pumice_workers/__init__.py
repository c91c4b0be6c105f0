"""The Celery side: tasks, the turns' runner, beat and rescue. Knows the app, never its web."""
