"""What an author declares, turned into frozen specs, and the turn that runs it. No I/O."""
