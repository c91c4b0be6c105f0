"""The front: Flask, one thin blueprint a concern. It accepts and waits; it runs no agent code but selectors."""
