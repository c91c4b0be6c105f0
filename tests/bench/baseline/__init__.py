"""What a competent developer writes in a week: a Celery task for each interaction, a locked session row, a commit."""
