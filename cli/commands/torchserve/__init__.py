"""`headrace torchserve`: model archives for TorchServe. What becomes of one stands in docs/torchserve.md."""
