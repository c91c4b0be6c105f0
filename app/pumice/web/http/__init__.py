"""What every request needs: its key, its body, its way in, its answer."""
