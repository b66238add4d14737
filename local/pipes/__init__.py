"""EventBridge Pipes: from a source to a target, filtered and reshaped on the way."""
