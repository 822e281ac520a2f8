"""Running bundles, without PyTorch."""
