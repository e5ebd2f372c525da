"""What every function shares: the product's brain, free of hosts and web frameworks."""
