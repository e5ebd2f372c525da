"""The venues, one module each with the same function names; `contract.Venue` is what they all promise."""
