"""Results that were computed before."""
