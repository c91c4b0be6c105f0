"""Other systems to compare with: what they run, and how they are installed outside of the project."""
