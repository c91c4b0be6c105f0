"""The table of mutations, one file a part of the product; each has `ROWS`."""
