"""What crosses processes: wakes, events, replies, and the connections that carry them."""
