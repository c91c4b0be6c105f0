"""What a run stands on: the servers, the contenders' processes, and what each of them spends."""
