"""What a contender has stored, and whether that is what the load should have left."""
