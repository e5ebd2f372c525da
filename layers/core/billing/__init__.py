"""What Stripe says of a customer now, and what follows for the user's tier."""
