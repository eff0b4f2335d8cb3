"""What each command takes; apart from the commands, since help and misuse are told without importing PyTorch."""
