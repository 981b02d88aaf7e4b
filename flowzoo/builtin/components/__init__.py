"""What the core registers, a kind a file."""
