"""What a bundle of contracts costs and pays, in exact decimals. No I/O, no clock."""
