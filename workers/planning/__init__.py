"""How many workers and partitions a load needs. Arithmetic on measured figures; touches no service."""
