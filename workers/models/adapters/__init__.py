"""Models of other makers behind the interface of ours: one file a family."""
