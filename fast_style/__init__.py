"""Train fast style transfer: a network learns a painting, then restyles any photo in a single forward pass."""
